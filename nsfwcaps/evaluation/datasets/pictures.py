"""Pictures of a data set, each once by its content, with a way to the bytes that keeps none."""

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
"""Row of a picture that is not there."""

_GROUPS_KEPT = 2  # threads that decode one batch after the other may be on two sides of an edge

Read = Callable[[], bytes]
"""Bytes of a picture; raises OSError where there are none."""


class PictureSet:
    """Distinct pictures in the order in which they came."""

    def __init__(self) -> None:
        self.images: list[tuple[str, Read]] = []
        """Sha256 of each, and its bytes: what encoders take."""
        self.missing = 0
        """Pictures that were named and could not be read."""
        self._row_of: dict[str, int] = {}

    def add(self, read: Read, data: bytes | None = None) -> int:
        """Row of a picture, the same for the same bytes; `MISSING` where it cannot be read."""
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
    """The picture cells of one file: bytes, paths, or Hugging Face's {bytes, path}."""

    def __init__(self, url: str, image_root: str | None = None) -> None:
        self._paths = ImageReader(url, image_root)
        # In other formats than Parquet a row cannot be found again without reading all before it.
        self._cells = ParquetCells(url) if ending_of(url) == ".parquet" else None

    def add(self, pictures: PictureSet, cell: Any, column: str, row: int) -> int | None:
        """Row in `pictures` of a cell's picture; None where the cell is empty."""
        path, data = image_cell(cell)
        if data is not None:
            return pictures.add(self._again(data, column, row), data)
        return None if path is None else pictures.add(lambda: _read(self._paths, path))

    def _again(self, data: bytes, column: str, row: int) -> Read:
        if self._cells is None:
            return lambda: data
        cells = self._cells
        return lambda: cells.read(column, row)


class ParquetCells:
    """Cells of a Parquet file by row number, a row group at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._starts: list[int] = []
        self._kept: dict[tuple[str, int], pa.ChunkedArray] = {}

    def read(self, column: str, row: int) -> bytes:
        """Bytes of a cell.

        Raises:
            OSError: the file is not what it was.
        """
        with self._lock:
            try:
                group = self._group(row)
                cells = self._kept.get((column, group)) or self._load(column, group)
                _, data = image_cell(cells[row - self._starts[group]].as_py())
            except (pa.ArrowException, LookupError) as error:
                raise OSError(f"{self._url}: row {row} is gone") from error
            if data is None:
                raise OSError(f"{self._url}: row {row} holds no picture any more")
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
    except Exception as error:  # stores and servers have kinds of their own
        raise OSError(type(error).__name__) from error
