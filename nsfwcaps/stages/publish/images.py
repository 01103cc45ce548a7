"""publish, pictures: bytes for the hashes of a shard, from the pools or from image files."""

from __future__ import annotations

import hashlib
from collections import Counter
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
            for row in _rows(path, wanted):
                sha256, data = row["image_sha256"], row["image"]
                if data is None:
                    data = self._read(row["image_path"], sha256)
                if data is not None:
                    found[sha256] = data
        return found

    def _read(self, path: str, sha256: str) -> bytes | None:
        try:
            data = read_image(path)
        except OSError:
            self.lost["image_missing"] += 1
            return None
        if hashlib.sha256(data).hexdigest() != sha256:
            self.lost["image_changed"] += 1
            return None
        return data


def unsigned(paths: pa.ChunkedArray) -> pa.Array:
    """Return paths of pictures without the query of an address, which may hold a signature."""
    return pa.array([path and shown(path) for path in paths.to_pylist()], pa.string())


def _rows(path: Path, wanted: pa.Array) -> list[dict[str, Any]]:
    """Return the rows of a file with a wanted hash; skips row groups without one."""
    rows: list[dict[str, Any]] = []
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        hashes = file.read_row_group(group, columns=["image_sha256"])["image_sha256"]
        mask = pc.is_in(hashes, value_set=wanted)
        if pc.any(mask).as_py():
            rows += file.read_row_group(group).filter(mask).to_pylist()
    return rows
