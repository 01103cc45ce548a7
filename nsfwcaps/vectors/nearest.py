"""Exact nearest neighbours of many queries among more rows than fit in memory.

A single-precision matrix product decides almost everything, but its last bits depend on the device
and on the blocking. Candidates closer than those bits are recomputed exactly. Stored vectors are in
half precision, so every product is a multiple of 2⁻⁴⁸. A sum below 2⁴ then fits the 53 bits of a
double without rounding, in any order. Equal cosines are ordered by row, which means by id. So every
device, block size and shard size gives the same neighbours in the same order.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.enums import Device
from nsfwcaps.vectors.index import BestRows, BlockSearch, Rows, Single
from nsfwcaps.vectors.source import Half, VectorSource

EXTRA = 16
"""Neighbours fetched beyond k, to detect near-ties at the k-th place."""
_EXACT_PAIRS = 1024  # three such arrays fit a core's cache
_MAX_BLOCK_ROWS = 32_768


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Exact cosines, rounded once, and row numbers `[q, k]`: best first, ties by row."""

    sims: Single
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
    return Blocks(queries=max(1, min(queries, 65_536)), rows=max(1, rows))


def nearest(
    queries: Half,
    table: VectorSource,
    k: int,
    *,
    search: BlockSearch,
    block_rows: int,
    advance: Callable[[int], None] = lambda rows: None,
    exact: bool = False,
    extra: int = EXTRA,
) -> Neighbours:
    """Find the k nearest rows of a table for each query `[q, d]`; k is capped at the table's rows.

    The order is always exact. With `exact`, every cosine is too, rounded once: the cosine of two
    captions is then the same number from either side, on every device.
    `advance` is called with the number of table rows searched.
    """
    k = min(k, table.rows)
    depth = min(k + extra, table.rows)
    search = search if search.max_k is None or depth <= search.max_k else BlockSearch(Device.CPU)
    best = BestRows(len(queries), depth)
    single = to_single(queries)
    for start, block in single_blocks(table, block_rows):
        sims, rows = search(single, block, min(depth, len(block)))
        best.add(sims, rows + start)
        advance(len(block))
    found, certain = _settle(queries, table, *best.result(), k, exact=exact)
    if not certain.all():
        # More near-ties at the k-th place than were fetched: search deeper for these queries only.
        open_queries = np.flatnonzero(~certain)
        deeper = nearest(
            queries[open_queries],
            table,
            k,
            search=search,
            block_rows=block_rows,
            exact=exact,
            extra=extra * 8,
        )
        found.sims[open_queries], found.rows[open_queries] = deeper.sims, deeper.rows
    return found


def with_exact_sims(queries: Half, table: VectorSource, rows: Rows) -> Neighbours:
    """Compute exact cosines of given neighbours `[q, k]`, and sort them; −1 means no row."""
    sims = np.full(rows.shape, -np.inf)
    query_of, place = np.nonzero(rows >= 0)
    sims[query_of, place] = exact_sims(queries, table, query_of, rows[query_of, place])
    order = np.lexsort((rows, -sims), axis=-1)
    return Neighbours(
        sims=np.take_along_axis(sims, order, axis=-1).astype(np.float32),
        rows=np.take_along_axis(rows, order, axis=-1),
    )


def exact_sims(
    queries: Half, table: VectorSource, query_of: Rows, row_of: Rows
) -> npt.NDArray[np.float64]:
    """Return exact inner products `[m]` of m (query, row) pairs, in one pass over the files."""
    import torch

    order = np.argsort(row_of, kind="stable")
    query_of, row_of = query_of[order], row_of[order]
    out = np.empty(len(order), dtype=np.float64)

    def fill(low: int, high: int, first: int, vectors: Half) -> None:
        # Products of two half-precision numbers are already exact in single precision.
        products = torch.from_numpy(queries[query_of[low:high]]).float()  # [m', d]
        products.mul_(torch.from_numpy(vectors[row_of[low:high] - first]).float())
        out[order[low:high]] = products.sum(-1, dtype=torch.float64).numpy()

    with _one_thread(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for low, high, first, vectors in table.holding(row_of):
            starts = range(low, high, _EXACT_PAIRS)
            parts = [(at, min(at + _EXACT_PAIRS, high), first, vectors) for at in starts]
            list(pool.map(lambda part: fill(*part), parts))
    return out


def to_single(rows: Half) -> Single:
    """Convert half to single precision."""
    with _one_thread():
        single: Single = _tensor(rows).float().numpy()
    return single


def single_blocks(table: VectorSource, rows: int) -> Iterator[tuple[int, Single]]:
    """Yield (first row, `[b, d]`) in single precision, with b = `rows` except in the last block.

    The array is reused: consume it before the next step.
    """
    import torch

    buffer = np.empty((min(rows, table.rows), table.width), dtype=np.float32)
    start = filled = 0
    for piece in table.pieces():
        at = 0
        while at < len(piece):
            part = piece[at : at + len(buffer) - filled]
            with _one_thread():
                target = torch.from_numpy(buffer[filled : filled + len(part)])
                target.copy_(_tensor(part))
            at += len(part)
            filled += len(part)
            if filled == len(buffer):
                yield start, buffer
                start, filled = start + filled, 0
    if filled:
        yield start, buffer[:filled]


def _tensor(rows: Half) -> Any:
    """View rows as a torch tensor."""
    import torch

    with warnings.catch_warnings():
        # The views are read-only buffers from Arrow; nobody writes to them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(rows))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch on this thread.

    torch and FAISS each have a thread pool that spins for a while after its work. When they
    alternate, each waits for the other's threads, and a search of 0.5 s takes 2 s.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def rounding_bound(width: int) -> float:
    """Bound the error of a single-precision inner product of unit rows, in any summation order.

    Higham, Accuracy and Stability of Numerical Algorithms (2002), section 3.1: n·u / (1 − n·u)
    with u = 2⁻²⁴; 1 % more for rows whose length exceeds one in half precision.
    """
    nu = width * 2.0**-24
    return 1.01 * nu / (1 - nu)


def _settle(
    queries: Half, table: VectorSource, sims: Single, rows: Rows, k: int, *, exact: bool
) -> tuple[Neighbours, npt.NDArray[np.bool_]]:
    """Order near-ties exactly, cut to k, and flag the queries whose top k is proven."""
    slack = 2 * rounding_bound(table.width)
    last_fetched = sims[:, -1].astype(np.float64)
    complete = sims.shape[1] == table.rows
    close = sims[:, :-1] - sims[:, 1:] <= slack  # [q, depth − 1]
    # Beyond the k-th place, only ties with it matter.
    close[:, k:] &= np.logical_and.accumulate(close[:, k - 1 :], axis=1)[:, :-1]
    tied = np.zeros(sims.shape, dtype=bool)
    tied[:, :-1] |= close
    tied[:, 1:] |= close
    if exact:
        tied[:, :k] = True
    query_of, place = np.nonzero(tied)
    settled = sims.astype(np.float64)
    if len(query_of):
        settled[query_of, place] = exact_sims(queries, table, query_of, rows[query_of, place])
        again = np.unique(query_of)
        order = np.lexsort((rows[again], -settled[again]), axis=-1)
        settled[again] = np.take_along_axis(settled[again], order, axis=-1)
        rows[again] = np.take_along_axis(rows[again], order, axis=-1)
    certain = complete | (settled[:, k - 1] > last_fetched + slack)
    found = Neighbours(
        sims=np.ascontiguousarray(settled[:, :k], dtype=np.float32),
        rows=np.ascontiguousarray(rows[:, :k]),
    )
    return found, np.broadcast_to(certain, len(queries))
