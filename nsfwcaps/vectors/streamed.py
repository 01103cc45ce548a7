"""Rows searched on the host: a table read, converted and searched block by block.

    table ─ pieces ─▶ blocks [b, d] in single precision ─ FAISS ─▶ best [q, depth]

A table of one block is converted once; the exact step then reads the same copy. A larger table is
read for each block of queries: its vectors are memory-mapped, and conversion costs less than a
hundredth of the search.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nsfwcaps.progress import Advance
from nsfwcaps.vectors.exact import (
    Tensor,
    exact_of_pairs,
    exact_of_places,
    exact_sims,
    one_thread,
    tensor_of,
    to_single,
)
from nsfwcaps.vectors.index import BestRows, BlockSearch, Single
from nsfwcaps.vectors.source import Half, VectorSource


class StreamedRows:
    """All rows of a table, searched on the host in blocks."""

    def __init__(
        self, table: VectorSource, *, search: BlockSearch, block_rows: int, first: int = 0
    ) -> None:
        """Search a table whose rows are numbered from `first` in a larger one."""
        self.first, self.rows, self.width = first, table.rows, table.width
        self.error_bound = search.error_bound(table.width) * table.squared_length
        self._table, self._search, self._block_rows = table, search, block_rows
        self._whole: Single | None = None
        """All rows, of a table that is one block."""

    def load(self, queries: Half) -> Tensor:
        """View queries `[q, d]` as a tensor."""
        return tensor_of(queries)

    def best(self, queries: Tensor, depth: int, advance: Advance) -> tuple[Tensor, Tensor]:
        """Return sims and rows `[q, depth]`, best first."""
        single = to_single(queries.numpy())
        if self.rows <= self._block_rows:
            sims, rows = self._search(single, self._all(), depth)
            advance(self.rows)
        else:
            best = BestRows(len(single), depth)
            for start, block in single_blocks(self._table, self._block_rows):
                sims, rows = self._search(single, block, min(depth, len(block)))
                best.add(sims, rows + start)
                advance(len(block))
            sims, rows = best.result()
        return tensor_of(sims), tensor_of(rows)

    def exact_pairs(self, queries: Tensor, query_of: Tensor, row_of: Tensor) -> Tensor:
        """Return exact inner products `[m]`."""
        if self._whole is not None:
            return exact_of_pairs(queries, tensor_of(self._whole), query_of, row_of)
        pairs = query_of.numpy(), row_of.numpy()
        return tensor_of(exact_sims(queries.numpy(), self._table, *pairs))

    def exact_places(self, queries: Tensor, row_of: Tensor) -> Tensor:
        """Return exact inner products `[q, k]` of each query with its rows."""
        import torch

        if self._whole is not None:
            return exact_of_places(queries, tensor_of(self._whole), row_of)
        query_of = torch.arange(len(row_of)).repeat_interleave(row_of.shape[1])
        return self.exact_pairs(queries, query_of, row_of.flatten()).view(row_of.shape)

    def tiles(self, rows: int) -> Iterator[Tensor]:
        """Yield all rows in single precision, `rows` at a time."""
        for _, block in self._table.blocks(rows):
            yield tensor_of(to_single(block))

    def _all(self) -> Single:
        if self._whole is None:
            ((_, self._whole),) = single_blocks(self._table, self.rows)
        return self._whole


def single_blocks(table: VectorSource, rows: int) -> Iterator[tuple[int, Single]]:
    """Yield (first row, `[b, d]`) in single precision, with b = `rows` except in the last block.

    The array is reused: consume it before the next step.
    """
    buffer = np.empty((min(rows, table.rows), table.width), dtype=np.float32)
    start = filled = 0
    for piece in table.pieces():
        at = 0
        while at < len(piece):
            part = piece[at : at + len(buffer) - filled]
            with one_thread():
                tensor_of(buffer[filled : filled + len(part)]).copy_(tensor_of(part))
            at += len(part)
            filled += len(part)
            if filled == len(buffer):
                yield start, buffer
                start, filled = start + filled, 0
    if filled:
        yield start, buffer[:filled]
