"""Vectors in memory: one array of half-precision, unit-length rows."""

from __future__ import annotations

from collections.abc import Iterator

from nsfwcaps.vectors.source import Half, Rows, VectorSource


class VectorArray(VectorSource):
    """The rows of one array `[n, d]`."""

    def __init__(self, vectors: Half) -> None:
        self.rows, self.width = vectors.shape
        self._vectors = vectors

    def pieces(self) -> Iterator[Half]:
        """Yield the whole array."""
        if self.rows:
            yield self._vectors

    def read(self, start: int, stop: int) -> Half:
        """Return rows `[start, stop)`."""
        return self._vectors[start:stop]

    def holding(self, rows: Rows) -> Iterator[tuple[int, int, int, Half]]:
        """Yield the whole array, unless `rows` is empty."""
        if len(rows):
            yield 0, len(rows), 0, self._vectors
