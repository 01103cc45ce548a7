"""Vectors on disk: half-precision unit rows in Parquet files, read a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nsfwcaps.errors import ArtifactError, ModelError
from nsfwcaps.vectors.columns import ENCODER_KEY, from_column
from nsfwcaps.vectors.source import Half, Rows, VectorSource

_BATCH_ROWS = 8192
_KEPT_BYTES = 64 * 2**20


class VectorTable(VectorSource):
    """The rows of several Parquet files as one table `[n, d]`, read on demand.

    Raises:
        ArtifactError: a file is missing or damaged.
        ModelError: the files hold vectors of different encoders.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)
        files = [_open(path) for path in self.paths]
        self.starts = np.cumsum([0, *(file.metadata.num_rows for file in files)])
        self.rows = int(self.starts[-1])
        encoders = {_encoder(file) for file in files}
        if len(encoders) > 1:
            raise ModelError(
                f"{self.paths[0].parent}: contains vectors of {len(encoders)} encoders, which "
                "cannot be compared. Delete the folder and run embed again"
            )
        self.encoder = next(iter(encoders), "")
        self.width = files[0].schema_arrow.field("vector").type.list_size if files else 0
        # Cached pieces of a small table after the first pass; later passes need no disk.
        self._kept: list[Half] = []

    def read(self, start: int, stop: int) -> Half:
        """Return rows `[start, stop)`."""
        parts = [np.empty((0, self.width), dtype=np.float16)]
        for number, first, last in self._files(start, stop):
            vectors = self._file(number)
            parts.append(vectors[max(start - first, 0) : stop - first][: last - first])
        return np.concatenate(parts)

    def holding(self, rows: Rows) -> Iterator[tuple[int, int, int, Half]]:
        """Yield (low, high, first, vectors) for each part of the table with some of the rows.

        `rows[low:high]` are in this part, whose vectors `[b, d]` start at row `first`.
        """
        if self._kept:
            starts = np.cumsum([0, *map(len, self._kept)])
            for number, low, high, first in _holding(rows, starts):
                yield low, high, first, self._kept[number]
            return
        for number, low, high, first in _holding(rows, self.starts):
            yield low, high, first, self._file(number)

    def column(self, name: str, rows: Rows) -> pa.ChunkedArray:
        """Return the cells of another column at ascending row numbers `[m]`."""
        parts = [
            _open(self.paths[number])
            .read(columns=[name])[name]
            .take(pa.array(rows[low:high] - first))
            for number, low, high, first in _holding(rows, self.starts)
        ]
        chunks = [chunk for part in parts for chunk in part.chunks]
        kind = _open(self.paths[0]).schema_arrow.field(name).type
        return pa.chunked_array(chunks, type=kind)

    def find(self, key: str, values: pa.Array) -> Rows:
        """Return the row numbers `[m]` of a key's values; −1 if not found."""
        found = np.full(len(values), -1, dtype=np.int64)
        for number, path in enumerate(self.paths):
            keys = _open(path).read(columns=[key])[key].combine_chunks()
            spots = pc.index_in(values, value_set=keys)
            here = np.asarray(pc.is_valid(spots))
            places = np.asarray(pc.fill_null(spots, 0)).astype(np.int64)
            found[here] = places[here] + self.starts[number]
        return found

    def pieces(self) -> Iterator[Half]:
        """Yield all rows in order, in pieces of any size, without copying."""
        if self._kept:
            yield from self._kept
            return
        kept: list[Half] = []
        small = self.rows * self.width * np.dtype(np.float16).itemsize <= _KEPT_BYTES
        for path in self.paths:
            for batch in _open(path).iter_batches(batch_size=_BATCH_ROWS, columns=["vector"]):
                vectors = from_column(batch.column(0))
                if small:
                    kept.append(vectors)
                yield vectors
        self._kept = kept

    def _file(self, number: int) -> Half:
        """Return all vectors of one file."""
        return from_column(_open(self.paths[number]).read(columns=["vector"])["vector"])

    def _files(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        edges = zip(self.starts, self.starts[1:], strict=False)
        for number, (first, last) in enumerate(edges):
            if first < stop and last > start:
                yield number, int(first), int(last)


def _holding(rows: Rows, starts: Rows) -> Iterator[tuple[int, int, int, int]]:
    """Yield each part with some of the rows, their positions `[low, high)` and its first row."""
    edges = np.searchsorted(rows, starts)
    for number in range(len(starts) - 1):
        low, high = int(edges[number]), int(edges[number + 1])
        if low < high:
            yield number, low, high, int(starts[number])


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, memory_map=True)
    except (OSError, pa.ArrowException):
        raise ArtifactError(
            f"{path} is missing or damaged; run the same command again to rebuild it"
        ) from None


def _encoder(file: pq.ParquetFile) -> str:
    return str((file.schema_arrow.metadata or {}).get(ENCODER_KEY, b"").decode())
