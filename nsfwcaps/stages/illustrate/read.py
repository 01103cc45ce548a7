"""illustrate, step 1: join the two pools of construct and read the safe images."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.captions.images import read_image
from nsfwcaps.captions.normalize import content_id
from nsfwcaps.construction.painters.painter import Subject
from nsfwcaps.tables import read_tables

Row = dict[str, Any]


class SafeImageError(Exception):
    """The image of a safe caption is missing or has changed; `args[0]` is the reason."""


class Constructed:
    """The pools of a finished construct stage."""

    def __init__(self, record: StageRecord) -> None:
        safe, unsafe = (self._files(record, label) for label in ("safe", "unsafe"))
        self.rows: list[Row] = [row for table in read_tables(unsafe) for row in table.to_pylist()]
        self._safe: dict[str, Row] = {
            row["id"]: row
            for path in safe
            for table in read_tables([path], _present(path, ("id", "caption", "image_path")))
            for row in table.to_pylist()
        }
        self._group_of = {
            row_id: (path, group)
            for path in safe
            if "image" in pq.read_schema(path).names
            for group in range(pq.ParquetFile(path).num_row_groups)
            for row_id in _column(path, group, "id").to_pylist()
        }

    def subject(self, row: Row) -> Subject:
        """Return what to draw for a row of the unsafe pool."""
        safe = self._safe[row["partner_id"]]
        return Subject(
            id=row["id"],
            caption=row["caption"],
            safe_id=safe["id"],
            safe_caption=safe["caption"],
        )

    def safe_image(self, subject: Subject) -> bytes | None:
        """Return the image bytes of a safe caption; None if the pool has no image or only its URL.

        Raises:
            SafeImageError: the image is missing or has changed.
        """
        path = self._safe[subject.safe_id].get("image_path")
        data: bytes | None = None
        if path is not None:
            try:
                data = read_image(path)
            except OSError:
                raise SafeImageError("safe_image_missing") from None
        elif subject.safe_id in self._group_of:
            data = _images(*self._group_of[subject.safe_id]).get(subject.safe_id)
        if data is None:
            return None
        if content_id(subject.safe_caption, hashlib.sha256(data).hexdigest()) != subject.safe_id:
            raise SafeImageError("safe_image_changed")
        return data

    @staticmethod
    def _files(record: StageRecord, label: str) -> list[Path]:
        paths = record.paths("dataset")
        return [path for path in paths if path.parent.name == label and path.suffix == ".parquet"]


def _present(path: Path, names: tuple[str, ...]) -> list[str]:
    present = pq.read_schema(path).names
    return [name for name in names if name in present]


def _column(path: Path, group: int, name: str) -> pa.ChunkedArray:
    return pq.ParquetFile(path).read_row_group(group, columns=[name])[name]


@functools.lru_cache(maxsize=4)
def _images(path: Path, group: int) -> dict[str, bytes | None]:
    """Return the images of a row group by id; caches a few groups, as subjects are unordered."""
    ids, images = (_column(path, group, name).to_pylist() for name in ("id", "image"))
    return dict(zip(ids, images, strict=True))
