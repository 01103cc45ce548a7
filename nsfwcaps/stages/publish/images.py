"""publish, pictures: bytes for the hashes of a shard, from the pools or from image files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nsfwcaps import schema
from nsfwcaps.artifacts import StageRecord
from nsfwcaps.captions.images import read_image
from nsfwcaps.captions.opening import shown


class KnownPictures:
    """Pictures known to ingest, by the hash of their bytes."""

    def __init__(self, ingest: StageRecord) -> None:
        self._paths = ingest.paths("images")
        self.lost: Counter[str] = Counter()
        """Number of pictures that could not be read, by reason."""

    def column(self, hashes: pa.ChunkedArray) -> pa.Array:
        """Return pictures for hashes `[p]`; null if missing or changed since ingest."""
        wanted = hashes.combine_chunks().unique().drop_null()
        found = self._load(wanted)
        pictures = [found.get(item) for item in hashes.to_pylist()]
        return pa.array(
            [None if item is None else {"bytes": item, "path": None} for item in pictures],
            type=schema.PICTURE,
        )

    def _load(self, wanted: pa.Array) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for path in self._paths:
            for row in (row for rows in wanted_rows(path, wanted) for row in rows):
                data = picture_of(row)
                if isinstance(data, str):
                    self.lost[data] += 1
                else:
                    found[row["image_sha256"]] = data
        return found


def picture_of(row: Mapping[str, Any]) -> bytes | str:
    """Return the bytes of a picture known to ingest, or the reason why they cannot be read."""
    if row["image"] is not None:
        stored: bytes = row["image"]
        return stored
    try:
        data = read_image(row["image_path"])
    except OSError:
        return "image_missing"
    return data if hashlib.sha256(data).hexdigest() == row["image_sha256"] else "image_changed"


def unsigned(paths: pa.ChunkedArray) -> pa.Array:
    """Return paths of pictures without the query of an address, which may hold a signature."""
    return pa.array([path and shown(path) for path in paths.to_pylist()], pa.string())


def wanted_rows(path: Path, wanted: pa.Array) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a file with a wanted hash, by row group; skips those without one."""
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        hashes = file.read_row_group(group, columns=["image_sha256"])["image_sha256"]
        mask = pc.is_in(hashes, value_set=wanted)
        if pc.any(mask).as_py():
            yield file.read_row_group(group).filter(mask).to_pylist()
