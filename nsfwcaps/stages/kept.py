"""Rows of a shard in the making, as temporary shards: a killed run goes on from them.

    partial-*.parquet   place, vector: rows that were encoded since the last such file

They are removed when the shard is written.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from nsfwcaps.artifacts import Shard, ShardFiles, StageFolder
from nsfwcaps.config import digest
from nsfwcaps.encoders import keeping
from nsfwcaps.encoders.keeping import KeptRows
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.columns import from_column, to_column

VERSION = 1
GROUP = "partial"

Hand = Callable[[Callable[[], Any]], Any]
"""Hands over work to whoever writes files."""


def inputs_digest(encoder: str, kind: str, inputs: Sequence[str]) -> str:
    """Return a digest of what a call encodes: texts, or hashes of pictures."""
    whole = hashlib.sha256()
    for item in inputs:
        data = item.encode()
        whole.update(b"%d:" % len(data) + data)
    return digest([VERSION, GROUP, encoder, kind, whole.hexdigest()])


class KeptShard:
    """Keeps the rows of one call of an encoder, named by the digest of its inputs."""

    def __init__(self, folder: StageFolder, inputs: str, hand: Hand = lambda work: work()) -> None:
        self._folder, self._inputs, self._hand = folder, inputs, hand
        self._earlier = self._found()
        self._count = len(self._earlier)
        self._last = time.monotonic()

    def kept(self) -> list[KeptRows]:
        """Return what earlier runs have kept."""
        paths = [self._folder.path / shard.files[0].path for shard in self._earlier]
        return [
            KeptRows(
                places=table["place"].to_numpy(),
                rows=from_column(table["vector"]),
                failed={int(place): why for place, why in shard.facts["failed"]},
            )
            for shard, table in zip(self._earlier, read_tables(paths), strict=True)
        ]

    def due(self) -> bool:
        """Whether the last file is too old."""
        return time.monotonic() - self._last >= keeping.SECONDS

    def keep(self, rows: KeptRows) -> None:
        """Write rows to a file of their own."""
        self._last = time.monotonic()
        key = self._key(self._count)
        self._count += 1
        self._hand(partial(self._folder.make_shard, key, partial(_file, key, rows)))

    def discard(self) -> None:
        """Remove the files, as the shard is written."""
        for number in range(self._count):
            self._folder.discard(self._key(number))

    def _key(self, number: int) -> str:
        return digest([self._inputs, number])

    def _found(self) -> list[Shard]:
        found: list[Shard] = []
        while (shard := self._folder.shard(self._key(len(found)))) is not None:
            found.append(shard)
        return found


def _file(key: str, rows: KeptRows) -> ShardFiles:
    table = pa.table(
        {"place": pa.array(rows.places.astype(np.int64)), "vector": to_column(rows.rows)}
    )
    failed = [[place, why] for place, why in sorted(rows.failed.items())]
    return ShardFiles(
        contents={(GROUP, f"{GROUP}-{key[:12]}.parquet"): table}, facts={"failed": failed}
    )
