"""Distinct images of a data set, by content, read from their source on demand."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.captions.clean import image_cell
from nsfwcaps.captions.images import ImageReader
from nsfwcaps.captions.readers import ending_of

MISSING = -1
"""Row of an image that is missing."""

_GROUPS_KEPT = 2  # threads decoding adjacent batches may need two row groups

Read = Callable[[], bytes]
"""Reads the bytes of an image; raises OSError if they are gone."""


class PictureSet:
    """Distinct images in order of first appearance."""

    def __init__(self) -> None:
        self.images: list[tuple[str, Read]] = []
        """SHA-256 and reader of each image, as encoders take them."""
        self.missing = 0
        """Number of images that were referred to but unreadable."""
        self._row_of: dict[str, int] = {}

    def add(self, read: Read, data: bytes | None = None) -> int:
        """Return the row of an image, adding it if new; `MISSING` if it cannot be read."""
        try:
            data = read() if data is None else data
        except OSError:
            self.missing += 1
            return MISSING
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in self._row_of:
            self._row_of[sha256] = len(self.images)
            self.images.append((sha256, read))
        return self._row_of[sha256]

    def __len__(self) -> int:
        return len(self.images)


class PictureCells:
    """The image cells of one file: bytes, paths, or Hugging Face's {bytes, path}."""

    def __init__(self, url: str, image_root: str | None = None) -> None:
        self._paths = ImageReader(url, image_root)
        # Only Parquet can find a row again without reading all rows before it.
        self._cells = ParquetCells(url) if ending_of(url) == ".parquet" else None

    def add(self, pictures: PictureSet, cell: Any, column: str, row: int) -> int | None:
        """Return the row in `pictures` of a cell's image; None if the cell is empty."""
        path, data = image_cell(cell)
        if data is not None:
            return pictures.add(self._reader(data, column, row), data)
        return None if path is None else pictures.add(lambda: _read(self._paths, path))

    def _reader(self, data: bytes, column: str, row: int) -> Read:
        if self._cells is None:
            return lambda: data
        cells = self._cells
        return lambda: cells.read(column, row)


class ParquetCells:
    """Reads cells of a Parquet file by row number, one row group at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._starts: list[int] = []
        self._kept: dict[tuple[str, int], pa.ChunkedArray] = {}

    def read(self, column: str, row: int) -> bytes:
        """Read the bytes of a cell.

        Raises:
            OSError: the file has changed.
        """
        with self._lock:
            try:
                group = self._group(row)
                cells = self._kept.get((column, group)) or self._load(column, group)
                _, data = image_cell(cells[row - self._starts[group]].as_py())
            except (pa.ArrowException, LookupError) as error:
                raise OSError(f"{self._url}: row {row} no longer exists") from error
            if data is None:
                raise OSError(f"{self._url}: row {row} no longer holds an image")
            return data

    def _group(self, row: int) -> int:
        if not self._starts:
            with self._open() as file:
                metadata = pq.ParquetFile(file).metadata
                sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
            self._starts = [0, *np.cumsum(sizes).tolist()]
        edges = pairwise(self._starts)
        return next(i for i, (start, stop) in enumerate(edges) if start <= row < stop)

    def _load(self, column: str, group: int) -> pa.ChunkedArray:
        with self._open() as file:
            cells = pq.ParquetFile(file).read_row_group(group, columns=[column])[column]
        while len(self._kept) >= _GROUPS_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[column, group] = cells
        return cells

    def _open(self) -> Any:
        return fsspec.open(self._url, "rb")


def _read(paths: ImageReader, path: str) -> bytes:
    try:
        return paths.read(path)
    except OSError:
        raise
    except Exception as error:  # each fsspec backend raises its own types
        raise OSError(type(error).__name__) from error
