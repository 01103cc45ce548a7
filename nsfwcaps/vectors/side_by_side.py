"""Rows of other tables, by number: one of each of several tables, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nsfwcaps.vectors.source import Half, Rows, VectorSource

_PIECE_ROWS = 4096


class SideBySide(VectorSource):
    """Row n joins row `rows[n]` of every table.

    Unit rows of two tables, such as those of a caption and its picture, make rows of squared length
    two. The inner product of two such rows is the sum of both cosines, and exact as they are.
    """

    def __init__(self, parts: Sequence[tuple[VectorSource, Rows]]) -> None:
        self.rows = len(parts[0][1])
        self.width = sum(table.width for table, _ in parts)
        self.squared_length = len(parts)
        self._parts = parts

    def pieces(self) -> Iterator[Half]:
        """Yield all rows in order, copied a piece at a time."""
        for start in range(0, self.rows, _PIECE_ROWS):
            yield self.read(start, start + _PIECE_ROWS)

    def read(self, start: int, stop: int) -> Half:
        """Copy rows `[start, stop)`."""
        return np.concatenate([_taken(table, rows[start:stop]) for table, rows in self._parts], 1)

    def holding(self, rows: Rows) -> Iterator[tuple[int, int, int, Half]]:
        """Yield (low, high, first, vectors) for each piece with some of the ascending rows."""
        starts = np.arange(0, self.rows + _PIECE_ROWS, _PIECE_ROWS)
        edges = np.searchsorted(rows, starts).tolist()
        for first, low, high in zip(starts.tolist(), edges, edges[1:], strict=False):
            if low < high:
                yield low, high, first, self.read(first, first + _PIECE_ROWS)

    def take(self, rows: Rows) -> Half:
        """Copy ascending rows `[m]`."""
        return np.concatenate([_taken(table, of[rows]) for table, of in self._parts], axis=1)


def _taken(table: VectorSource, rows: Rows) -> Half:
    """Rows `[m]` of a table in any order."""
    distinct, place = np.unique(rows, return_inverse=True)
    return table.take(distinct)[place]
