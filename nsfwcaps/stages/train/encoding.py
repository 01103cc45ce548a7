"""train, encoding for the reference: what the folder has of the same encoder is copied.

A run with other epochs uses more or fewer items of the safe pool; those that both use are encoded
once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.encoders.encoder import DualEncoder, Encoded
from nsfwcaps.progress import Advance
from nsfwcaps.stages.kept import KeptShard, inputs_digest
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.columns import from_column
from nsfwcaps.work import WorkSplit

COLUMNS = {"captions": "id", "images": "image_sha256"}
"""Groups of files with vectors, and the column that names each vector."""


class ReferenceEncoder:
    """Encodes what no shard of the folder has."""

    def __init__(self, encoder: DualEncoder, folder: StageFolder, work: WorkSplit) -> None:
        self._encoder, self._folder, self._work = encoder, folder, work
        self.digest = encoder.identity.digest
        self._keepers: list[KeptShard] = []

    def captions(self, captions: Mapping[str, str], advance: Advance) -> Encoded:
        """Return a row for each caption by id that can be encoded."""

        def encode(names: Sequence[str]) -> Encoded:
            texts = [captions[name] for name in names]
            return self._encoder.started(texts, advance, self._keeper("captions", texts))()

        return self._completed("captions", [*captions], encode, advance)

    def images(self, pictures: Mapping[str, bytes], advance: Advance) -> Encoded:
        """Return a row for each picture by hash that can be encoded."""

        def encode(names: Sequence[str]) -> Encoded:
            named = [(name, partial(bytes, pictures[name])) for name in names]
            keeper = self._keeper("images", names)
            return self._encoder.encode_images(named, advance, self._work, keeper)

        return self._completed("images", [*pictures], encode, advance)

    def discard(self) -> None:
        """Remove the rows kept for a killed run, as their shard is written."""
        for keeper in self._keepers:
            keeper.discard()
        self._keepers = []

    def _completed(
        self,
        group: str,
        names: Sequence[str],
        encode: Callable[[Sequence[str]], Encoded],
        advance: Advance,
    ) -> Encoded:
        known = self._known[group]
        missing = np.array([row for row, name in enumerate(names) if name not in known], np.int64)
        if len(missing) == len(names):
            return encode(names)
        advance(len(names) - len(missing))
        rows = np.stack([known[name] for name in names if name in known])
        whole = np.empty((len(names), rows.shape[1]), dtype=np.float32)
        whole[np.setdiff1d(np.arange(len(names)), missing)] = rows
        if not len(missing):
            return Encoded(rows=whole, failed={})
        found = encode([names[row] for row in missing])
        failed = {int(missing[at]): reason for at, reason in found.failed.items()}
        whole[np.setdiff1d(missing, [*failed])] = found.rows
        return Encoded(rows=np.delete(whole, [*failed], axis=0), failed=failed)

    @cached_property
    def _known(self) -> Mapping[str, Mapping[str, Any]]:
        """Rows of earlier runs, by group and name."""
        shards = [
            shard
            for shard in self._folder.journal_rows()
            if shard.facts.get("encoder") == self.digest and self._folder.shard(shard.key)
        ]
        found: dict[str, dict[str, Any]] = {}
        for group, column in COLUMNS.items():
            files = [file.path for shard in shards for file in shard.files if file.group == group]
            rows = found[group] = {}
            for table in read_tables([self._folder.path / path for path in files]):
                rows |= zip(table[column].to_pylist(), from_column(table["vector"]), strict=True)
        return found

    def _keeper(self, kind: str, inputs: Sequence[str]) -> KeptShard:
        """Return what keeps the rows of one call."""
        self._keepers.append(KeptShard(self._folder, inputs_digest(self.digest, kind, inputs)))
        return self._keepers[-1]


def names_left(folder: StageFolder, names: Mapping[str, frozenset[str]]) -> int:
    """Count the names by group that no shard of a folder has; changes nothing."""
    left = {group: set(wanted) for group, wanted in names.items()}
    for shard in folder.finished_shards():
        for file in shard.files:
            path = folder.path / file.path
            if file.group in left and path.exists():
                (table,) = read_tables([path], [COLUMNS[file.group]])
                left[file.group].difference_update(table[COLUMNS[file.group]].to_pylist())
    return sum(map(len, left.values()))
