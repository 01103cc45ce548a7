"""publish, near-duplicate pictures: perceptual hashes, and which of them are nearly equal."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import ShardTables, StageFolder, StageRecord
from nsfwcaps.captions import picture_hash
from nsfwcaps.captions.picture_hash import PLAIN, Hashes, stacked
from nsfwcaps.config import digest, parse_bytes
from nsfwcaps.progress import Progress
from nsfwcaps.stages.publish.images import picture_of, wanted_rows
from nsfwcaps.stages.publish.near_captions import EDGES
from nsfwcaps.stages.publish.settings import PublishSettings
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.index import Rows, within_bits

_QUERIES = 16_384

_HASHED = pa.schema([("image_sha256", pa.string()), ("hash", pa.binary()), ("reason", pa.string())])


@dataclass(frozen=True, kw_only=True)
class PictureHashes:
    """Perceptual hashes of the pictures that have one."""

    names: pa.Array
    """sha256 `[h]` of each picture's bytes."""
    hashes: Hashes
    """`[h, 32]`"""
    without: Counter[str]
    """Number of pictures without a perceptual hash, by reason."""
    unreadable: pa.Array
    """sha256 of the pictures that cannot be read or decoded."""

    @property
    def digest(self) -> str:
        """Digest of the pictures and their hashes."""
        return digest([self.names.to_pylist(), self.hashes.tobytes().hex()])


def hash_pictures(
    folder: StageFolder, ingest: StageRecord, wanted: pa.Array, progress: Progress
) -> PictureHashes:
    """Hash the wanted pictures, given by sha256, in one shard for each file of ingest."""
    shards = []
    with progress.task("publish: compare pictures", len(wanted), unit="images") as advance:
        for file in (file for file in ingest.files if file.group == "images"):
            path = ingest.folder / file.path
            (table,) = read_tables([path], ["image_sha256"])
            here = table.filter(pc.is_in(table["image_sha256"], value_set=wanted))
            names = here["image_sha256"].combine_chunks()
            if len(names):
                key = digest([picture_hash.VERSION, "pictures", file.sha256, names.to_pylist()])
                make = partial(_hashed, path, names)
                shards.append(folder.shard_or(key, make))
                advance(len(names))
    files = [folder.path / file.path for shard in shards for file in shard.files]
    found = pa.concat_tables([_HASHED.empty_table(), *read_tables(files)]).sort_by("image_sha256")
    has = found.filter(pc.is_valid(found["hash"]))
    lacking = found.filter(pc.is_null(found["hash"]))
    lost = lacking.filter(pc.not_equal(lacking["reason"], PLAIN))
    return PictureHashes(
        names=has["image_sha256"].combine_chunks(),
        hashes=stacked(has["hash"].to_pylist()),
        without=Counter(lacking["reason"].to_pylist()),
        unreadable=lost["image_sha256"].combine_chunks(),
    )


def _hashed(path: Path, names: pa.Array) -> ShardTables:
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for part in wanted_rows(path, names):
            rows += pool.map(_row, part)
    stem = f"hashes-{path.stem.rpartition('-')[0]}"
    table = pa.Table.from_pylist(rows, schema=_HASHED)
    return ShardTables(tables={("hashes", stem): table}, rows_in=len(rows))


def _row(row: dict[str, Any]) -> dict[str, Any]:
    data = picture_of(row)
    found = data if isinstance(data, str) else picture_hash.picture_hash(data)
    is_reason = isinstance(found, str)
    return {
        "image_sha256": row["image_sha256"],
        "hash": None if is_reason else found,
        "reason": found if is_reason else None,
    }


def near_pictures(
    settings: PublishSettings, folder: StageFolder, found: PictureHashes, progress: Progress
) -> tuple[Rows, Rows]:
    """Return the edges `[e]`, `[e]` between pictures `[h]` that are nearly equal."""
    memory, bits = parse_bytes(settings.memory), settings.near_image
    count = len(found.hashes)

    def find(start: int, stop: int) -> ShardTables:
        left, right = within_bits(found.hashes[start:stop], found.hashes, bits, memory_bytes=memory)
        later = right > left + start
        table = pa.table({"left": left[later] + start, "right": right[later]}, schema=EDGES)
        stem = f"pictures-{start:09d}"
        return ShardTables(tables={("edges", stem): table}, rows_in=stop - start)

    files, content = [], found.digest
    with progress.task("publish: split pictures", count, unit="images") as advance:
        for start in range(0, count, _QUERIES):
            stop = min(start + _QUERIES, count)
            key = digest([content, "picture edges", bits, start, stop])
            shard = folder.shard_or(key, partial(find, start, stop))
            files += [folder.path / file.path for file in shard.files]
            advance(stop - start)
    edges = pa.concat_tables([EDGES.empty_table(), *read_tables(files)])
    return np.asarray(edges["left"]), np.asarray(edges["right"])
