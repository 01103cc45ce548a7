"""Exact nearest neighbours of many queries among more rows than fit in memory.

    table ─ parts that fit a device ─▶ held rows ─ search, exact step (settle) ─▶ best of each part
                                                          merge by exact cosine, then row ─▶ [q, k]

On the host a table is read block by block (`streamed`), in one part unless more are asked for. On
GPUs a part is as many rows as fit; it is uploaded once and searched by every block of queries
(`resident`). If all rows fit, there is one part, and each GPU may hold a copy of it. Queries for
which a GPU has too little memory are searched again in halves. The order of neighbours is exact
(`settle`). So every device, number of devices, block size and part size gives the same neighbours
in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nsfwcaps.progress import Advance
from nsfwcaps.runtime.batch_size import BatchSize, CudaMemory
from nsfwcaps.vectors.exact import Exact, Tensor, exact_sims, one_thread, tensor_of
from nsfwcaps.vectors.index import BlockSearch, Rows, Single
from nsfwcaps.vectors.resident import ResidentRows, rows_that_fit
from nsfwcaps.vectors.row_range import RowRange
from nsfwcaps.vectors.settle import EXTRA, merged, ranked
from nsfwcaps.vectors.source import Half, VectorSource
from nsfwcaps.vectors.streamed import StreamedRows
from nsfwcaps.work import Work, WorkSplit

_MAX_BLOCK_ROWS = 32_768
_MAX_QUERIES = 65_536
TILE_ROWS = 4096
"""Parts are a multiple of this, so that tiles of a table do not depend on its parts."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Exact sims, rounded once, and row numbers `[q, k]`: best first, ties by row.

    A sim is a cosine, or the mean of the cosines of rows side by side.
    """

    sims: Single
    rows: Rows


@dataclass(frozen=True, kw_only=True)
class PartNeighbours:
    """The nearest rows of one part of a table: cosines that are not rounded, rows `[q, k]`."""

    sims: Exact
    rows: Rows


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Number of queries and rows in memory at once."""

    queries: int
    rows: int


def blocks_for(memory_bytes: int, width: int, k: int) -> Blocks:
    """Choose block sizes that keep a search within `memory_bytes`.

    A row in flight takes 10 bytes per dimension (stored, decoded, single precision). A query takes
    6 bytes per dimension and about 120 bytes per neighbour (heap, one block's result, sorting). The
    remaining quarter covers a table's cache, or one file of it, which the exact step reads whole.
    """
    rows = min(_MAX_BLOCK_ROWS, memory_bytes // 4 // (10 * width))
    queries = memory_bytes // 2 // (6 * width + 120 * (k + EXTRA))
    return Blocks(queries=max(1, min(queries, _MAX_QUERIES)), rows=max(1, rows))


class HeldTable:
    """A table that is searched many times, held where it is searched.

    A lane is one device with the part that it holds; each lane serves one thread at a time.
    `split` counts uploads as reading. On the host, mapped files are read by the search itself.
    """

    def __init__(
        self,
        table: VectorSource,
        search: BlockSearch,
        *,
        block_rows: int,
        part_rows: int | None = None,
    ) -> None:
        """Cut the table into parts of at most `part_rows`; None: as many as fit each device."""
        self.table, self.lanes, self.split = table, len(search.devices), WorkSplit()
        self._search, self._block_rows = search, block_rows
        size = table.rows
        if search.resident or part_rows is not None:
            size = min(part_rows or rows_that_fit(table.width, search) or size, size)
        if size < table.rows:
            size = max(size // TILE_ROWS * TILE_ROWS, min(size, TILE_ROWS))
        self._queries = [_queries_at_once(device) for device in search.devices]
        starts = range(0, table.rows, max(1, size))
        self.parts = [(start, min(start + size, table.rows)) for start in starts]
        self._held: list[tuple[int, StreamedRows | ResidentRows] | None] = [None] * self.lanes

    def held(self, part: int, lane: int = 0) -> StreamedRows | ResidentRows:
        """Return a part, held by a lane; the part that it held before is dropped."""
        now = self._held[lane]
        if now is None or now[0] != part:
            now = self._held[lane] = None  # before the next one is uploaded
            now = self._held[lane] = part, self._hold(part, lane)
        return now[1]

    def nearest(
        self,
        queries: Half,
        k: int,
        *,
        exact: bool = False,
        lane: int = 0,
        advance: Advance = lambda rows: None,
    ) -> Neighbours:
        """Find the k nearest rows for each query `[q, d]`; k is capped at the table's rows.

        The order is always exact. With `exact`, every cosine is too, rounded once: the cosine of
        two captions is then the same number from either side, on every device.
        `advance` is called with the number of table rows searched.
        """
        exact = exact or len(self.parts) > 1
        found = [
            self.nearest_in(part, queries, k, exact=exact, lane=lane, advance=advance)
            for part in range(len(self.parts))
        ]
        return merge(found, k)

    def nearest_in(
        self,
        part: int,
        queries: Half,
        k: int,
        *,
        exact: bool = True,
        lane: int = 0,
        advance: Advance = lambda rows: None,
    ) -> PartNeighbours:
        """Find the k nearest rows of one part; k is capped at its rows.

        Raises:
            DeviceError: a device has too little memory for a single query.
        """
        with self.split.timed(Work.READ, self.lanes):
            held = self.held(part, lane)
        with self.split.timed(Work.COMPUTE, self.lanes):
            k = min(k, held.rows)
            if isinstance(held, StreamedRows) or not len(queries):
                return self._found(held, queries, k, exact, advance)
            found, size, start = list[PartNeighbours](), self._queries[lane], 0
            while start < len(queries):
                batch = queries[start : start + size.units]
                start += len(batch)
                parts = size.compute(batch, len(batch), lambda q: self._found(held, q, k, exact))
                found += [neighbours for _, neighbours in parts]
            advance(held.rows)
            sims, rows = _lists(found)
            return PartNeighbours(sims=np.concatenate(sims), rows=np.concatenate(rows))

    def tiles(self, lane: int = 0) -> Iterator[Tensor]:
        """Yield all rows `[b, d]` in single precision, where the lane holds them.

        b is `TILE_ROWS` except in the last tile.
        """
        for part in range(len(self.parts)):
            yield from self.held(part, lane).tiles(TILE_ROWS)

    def close(self) -> None:
        """Drop what the lanes hold, so that another table finds the memory free."""
        self._held = [None] * self.lanes
        if self._search.resident:
            import torch

            torch.cuda.empty_cache()

    def _found(
        self,
        held: StreamedRows | ResidentRows,
        queries: Half,
        k: int,
        exact: bool,
        advance: Advance = lambda rows: None,
    ) -> PartNeighbours:
        products, rows = ranked(held.load(queries), held, k, exact=exact, advance=advance)
        sims = products.cpu().numpy() / self.table.squared_length
        return PartNeighbours(sims=sims, rows=rows.cpu().numpy() + held.first)

    def _hold(self, part: int, lane: int) -> StreamedRows | ResidentRows:
        if not self._search.resident:
            start, stop = self.parts[part]
            rows = (
                self.table if stop - start == self.table.rows else RowRange(self.table, start, stop)
            )
            return StreamedRows(rows, first=start, search=self._search, block_rows=self._block_rows)
        device = self._search.devices[lane]
        return ResidentRows(self.table, *self.parts[part], search=self._search, device=device)


def _queries_at_once(device: str) -> BatchSize:
    """Number of queries of a search on a device: all, until they do not fit its memory."""
    memory = None if device == "cpu" else CudaMemory()
    return BatchSize(
        _MAX_QUERIES, usual=_MAX_QUERIES, most=_MAX_QUERIES, memory=memory, option="--memory"
    )


def merge(parts: Sequence[PartNeighbours], k: int) -> Neighbours:
    """Merge the nearest rows of all parts of a table: by exact cosine, then by row."""
    if len(parts) == 1:
        sims, rows = parts[0].sims, parts[0].rows
    else:
        joined = [np.concatenate(lists, axis=1) for lists in _lists(parts)]
        with one_thread():
            best = merged(tensor_of(joined[0]), tensor_of(joined[1]), k)
        sims, rows = (tensor.numpy() for tensor in best)
    return Neighbours(
        sims=np.ascontiguousarray(sims, dtype=np.float32), rows=np.ascontiguousarray(rows)
    )


def _lists(parts: Sequence[PartNeighbours]) -> tuple[list[Exact], list[Rows]]:
    return [part.sims for part in parts], [part.rows for part in parts]


def nearest(
    queries: Half,
    table: VectorSource,
    k: int,
    *,
    search: BlockSearch,
    block_rows: int,
    advance: Advance = lambda rows: None,
    exact: bool = False,
) -> Neighbours:
    """Search a table once: `HeldTable.nearest`, held for this call only."""
    held = HeldTable(table, search, block_rows=block_rows)
    return held.nearest(queries, k, exact=exact, advance=advance)


def with_exact_sims(queries: Half, table: VectorSource, rows: Rows) -> Neighbours:
    """Compute exact sims of given neighbours `[q, k]`, and sort them; −1 means no row."""
    sims = np.full(rows.shape, -np.inf)
    query_of, place = np.nonzero(rows >= 0)
    products = exact_sims(queries, table, query_of, rows[query_of, place])
    sims[query_of, place] = products / table.squared_length
    order = np.lexsort((rows, -sims), axis=-1)
    return Neighbours(
        sims=np.take_along_axis(sims, order, axis=-1).astype(np.float32),
        rows=np.take_along_axis(rows, order, axis=-1),
    )
