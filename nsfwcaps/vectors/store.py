"""Vectors on disk: half-precision unit rows in Arrow or Parquet files, used a part at a time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.errors import ModelError
from nsfwcaps.vectors.columns import ENCODER_KEY
from nsfwcaps.vectors.files import VectorFile, open_file
from nsfwcaps.vectors.source import Half, Rows, VectorSource


class VectorTable(VectorSource):
    """The rows of several files as one table `[n, d]`.

    Arrow files are mapped into memory: their vectors are views, and only rows that are used are
    read from the disk. Parquet files, of earlier versions, are decoded whole at every use.

    Raises:
        ArtifactError: a file is missing or damaged.
        ModelError: the files hold vectors of different encoders.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)
        self._parts = [open_file(path) for path in self.paths]
        self.starts = np.cumsum([0, *(part.rows for part in self._parts)])
        self.rows = int(self.starts[-1])
        encoders = {_encoder(part) for part in self._parts}
        if len(encoders) > 1:
            raise ModelError(
                f"{self.paths[0].parent}: contains vectors of {len(encoders)} encoders, which "
                "cannot be compared. Delete the folder and run embed again"
            )
        self.encoder = next(iter(encoders), "")
        schemas = (part.schema for part in self._parts)
        self._known_ranges: dict[str, list[tuple[str | None, str | None]]] = {}
        self.width = next((of.field("vector").type.list_size for of in schemas), 0)

    def pieces(self) -> Iterator[Half]:
        """Yield all rows in order, a file at a time."""
        for part in self._parts:
            if part.rows:
                yield part.vectors()

    def read(self, start: int, stop: int) -> Half:
        """Return rows `[start, stop)`: a view if one Arrow file has them all."""
        found = [
            self._parts[number].vectors()[max(start - first, 0) : stop - first]
            for number, first in enumerate(self.starts[:-1])
            if first < stop and self.starts[number + 1] > start
        ]
        if len(found) == 1:
            return found[0]
        return np.concatenate([np.empty((0, self.width), dtype=np.float16), *found])

    def holding(self, rows: Rows) -> Iterator[tuple[int, int, int, Half]]:
        """Yield (low, high, first, vectors) for each file with some of the ascending rows.

        `rows[low:high]` are in this file, whose vectors `[b, d]` start at row `first`.
        """
        for number, low, high, first in self._holding(rows):
            yield low, high, first, self._parts[number].vectors()

    def column(self, name: str, rows: Rows) -> pa.ChunkedArray:
        """Return the cells of another column at ascending row numbers `[m]`."""
        chunks = [
            self._parts[number].column(name).take(pa.array(rows[low:high] - first))
            for number, low, high, first in self._holding(rows)
        ]
        return pa.chunked_array(chunks, type=self._parts[0].schema.field(name).type)

    def find(self, key: str, values: pa.Array) -> Rows:
        """Return the row numbers `[m]` of a key's values; −1 if not found.

        A file is searched only for the values within its range. Keys that ascend across the files
        are found in a time that does not grow with the number of files.
        """
        order = _order(values)
        ascending = values if order is None else values.take(pa.array(order))
        ascending = ascending.slice(0, len(values) - values.null_count)  # nulls come last
        found = np.full(len(values), -1, dtype=np.int64)
        for number, (low, high) in enumerate(self._ranges(key)):
            at = _before(ascending, low), _before(ascending, high, reached=True)
            if low is None or at[0] == at[1]:
                continue
            spots = pc.index_in(
                ascending.slice(at[0], at[1] - at[0]), value_set=self._parts[number].column(key)
            )
            here = np.asarray(pc.is_valid(spots))
            places = np.asarray(pc.fill_null(spots, 0)).astype(np.int64)
            found[at[0] : at[1]][here] = places[here] + self.starts[number]
        if order is None:
            return found
        out = np.empty_like(found)
        out[order] = found
        return out

    def _ranges(self, key: str) -> list[tuple[str | None, str | None]]:
        """Return the smallest and the largest value of a key in each file; None without one."""
        if key not in self._known_ranges:
            ends = (pc.min_max(part.column(key)) for part in self._parts)
            self._known_ranges[key] = [(of["min"].as_py(), of["max"].as_py()) for of in ends]
        return self._known_ranges[key]

    def _holding(self, rows: Rows) -> Iterator[tuple[int, int, int, int]]:
        """Yield each file with some of the rows, their positions `[low, high)`, its first row."""
        edges = np.searchsorted(rows, self.starts)
        for number in range(len(self._parts)):
            low, high = int(edges[number]), int(edges[number + 1])
            if low < high:
                yield number, low, high, int(self.starts[number])


def _encoder(part: VectorFile) -> str:
    return str((part.schema.metadata or {}).get(ENCODER_KEY, b"").decode(errors="replace"))


def _order(values: pa.Array) -> Rows | None:
    """Return the order `[m]` that sorts values, nulls last; None if they ascend as they are."""
    if values.null_count == 0 and pc.all(pc.less_equal(values[:-1], values[1:])).as_py() in (
        True,
        None,
    ):
        return None
    return np.asarray(pc.sort_indices(values)).astype(np.int64)


def _before(ascending: pa.Array, value: str | None, *, reached: bool = False) -> int:
    """Return the number of ascending values below a value; with `reached`, also those equal."""
    if value is None:
        return 0
    find = bisect_right if reached else bisect_left
    return find(range(len(ascending)), value, key=lambda at: ascending[at].as_py())
