"""The interface of vectors that a search reads in blocks, on disk or in memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

Half = npt.NDArray[np.float16]
Rows = npt.NDArray[np.int64]


class VectorSource(Protocol):
    """Unit-length rows `[n, d]` in half precision, read in parts.

    `VectorTable` maps them from files, `VectorArray` has them in memory.
    """

    rows: int
    """n"""
    width: int
    """d"""
    squared_length: int = 1
    """Squared length of a row, if rows are several unit rows side by side. A similarity is the
    inner product divided by it: the mean of their cosines."""

    @abstractmethod
    def pieces(self) -> Iterator[Half]:
        """Yield all rows in order, in pieces of any size, without copying."""
        ...

    @abstractmethod
    def read(self, start: int, stop: int) -> Half:
        """Rows `[start, stop)`."""
        ...

    @abstractmethod
    def holding(self, rows: Rows) -> Iterator[tuple[int, int, int, Half]]:
        """Yield (low, high, first, vectors) for each part that contains some of the sorted `rows`.

        The part holds `rows[low:high]`; its vectors `[b, d]` begin at row `first`.
        """
        ...

    def blocks(self, rows: int) -> Iterator[tuple[int, Half]]:
        """Yield (first row, vectors `[b, d]`), where b = `rows` except in the last block.

        Blocks start at multiples of `rows`, regardless of the boundaries of pieces.
        """
        held: list[Half] = []
        start = count = 0
        for vectors in self.pieces():
            at = 0
            while at < len(vectors):
                part = vectors[at : at + rows - count]
                held.append(part)
                count += len(part)
                at += len(part)
                if count == rows:
                    yield start, _joined(held)
                    start, count, held = start + rows, 0, []
        if held:
            yield start, _joined(held)

    def take(self, rows: Rows) -> Half:
        """Vectors of ascending row numbers `[m]`, in one pass over the parts that hold them."""
        out = np.empty((len(rows), self.width), dtype=np.float16)
        for low, high, first, vectors in self.holding(rows):
            out[low:high] = vectors[rows[low:high] - first]
        return out


def _joined(parts: list[Half]) -> Half:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
