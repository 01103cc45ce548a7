"""A range of the rows of a table, as a table of its own."""

from __future__ import annotations

from collections.abc import Iterator

from nsfwcaps.vectors.source import Half, Rows, VectorSource

_PIECE_ROWS = 65_536


class RowRange(VectorSource):
    """Rows `[start, stop)` of another source, numbered from zero."""

    def __init__(self, of: VectorSource, start: int, stop: int) -> None:
        self.rows, self.width, self.squared_length = stop - start, of.width, of.squared_length
        self._of, self._start = of, start

    def pieces(self) -> Iterator[Half]:
        """Yield all rows, some at a time."""
        for start in range(0, self.rows, _PIECE_ROWS):
            yield self.read(start, min(start + _PIECE_ROWS, self.rows))

    def read(self, start: int, stop: int) -> Half:
        """Return rows `[start, stop)` of the range."""
        return self._of.read(self._start + start, self._start + min(stop, self.rows))

    def holding(self, rows: Rows) -> Iterator[tuple[int, int, int, Half]]:
        """Yield the parts of the other source that hold the ascending rows."""
        for low, high, first, vectors in self._of.holding(rows + self._start):
            yield low, high, first - self._start, vectors
