"""Inner products without any rounding, on the host or on a device.

Stored vectors are in half precision. A product of two such numbers fits the 24 bits of single
precision, and is a multiple of 2⁻⁴⁸. A sum below 2⁴ then fits the 53 bits of a double without
rounding, in any order. So every device gives the same sums.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.runtime.cores import cores
from nsfwcaps.vectors.index import Rows, Single
from nsfwcaps.vectors.source import Half, VectorSource

Exact = npt.NDArray[np.float64]
Tensor = Any
"""A torch tensor; torch is imported lazily."""

_HOST_PAIRS = 1024
"""Pairs at once on a core: three such arrays fit its cache."""
_DEVICE_BYTES = 2**28
"""Working memory on a device."""


def exact_sims(queries: Half, table: VectorSource, query_of: Rows, row_of: Rows) -> Exact:
    """Return exact inner products `[m]` of m (query, row) pairs, in one pass over the files."""
    order = np.argsort(row_of, kind="stable")
    query_of, row_of = query_of[order], row_of[order]
    out = np.empty(len(order), dtype=np.float64)
    left = tensor_of(queries)

    def fill(low: int, high: int, first: int, vectors: Tensor) -> None:
        found = vectors.index_select(0, tensor_of(row_of[low:high] - first))
        sums = _sums(left.index_select(0, tensor_of(query_of[low:high])), found)
        out[order[low:high]] = sums.numpy()

    with one_thread(), ThreadPoolExecutor(cores()) as pool:
        for low, high, first, vectors in table.holding(row_of):
            piece = tensor_of(vectors)
            starts = range(low, high, _HOST_PAIRS)
            parts = [(at, min(at + _HOST_PAIRS, high), first, piece) for at in starts]
            list(pool.map(lambda part: fill(*part), parts))
    return out


def exact_of_pairs(queries: Tensor, rows: Tensor, query_of: Tensor, row_of: Tensor) -> Tensor:
    """Return exact inner products `[m]` of pairs of rows of two tensors on one device."""
    import torch

    out = torch.empty(len(row_of), dtype=torch.float64, device=rows.device)

    def fill(part: slice) -> None:
        found = rows.index_select(0, row_of[part])
        out[part] = _sums(queries.index_select(0, query_of[part]), found)

    _each(fill, _slices(len(row_of), _pairs_at_once(rows)), rows)
    return out


def exact_of_places(queries: Tensor, rows: Tensor, row_of: Tensor) -> Tensor:
    """Return exact inner products `[q, k]` of each query `[q, d]` with its rows `[q, k]`."""
    import torch

    out = torch.empty(row_of.shape, dtype=torch.float64, device=rows.device)

    def fill(part: slice) -> None:
        found = rows.index_select(0, row_of[part].reshape(-1))
        out[part] = _sums(queries[part, None], found.view(*row_of[part].shape, -1))

    step = max(1, _pairs_at_once(rows) // max(1, row_of.shape[1]))
    _each(fill, _slices(len(row_of), step), rows)
    return out


def to_single(rows: Half) -> Single:
    """Convert half to single precision."""
    with one_thread():
        single: Single = tensor_of(rows).float().numpy()
    return single


def tensor_of(array: npt.NDArray[Any]) -> Tensor:
    """View an array as a torch tensor on the host."""
    import torch

    with warnings.catch_warnings():
        # Vectors are read-only views of files; nobody writes to them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(array))


class _OneThread:
    """State of `one_thread`: callers inside, and the number of threads before the first."""

    lock = threading.Lock()
    inside = usual = 0
    here = threading.local()


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch on the calling thread; may be entered by several threads.

    torch and FAISS each have a thread pool that spins for a while after its work. When they
    alternate, each waits for the other's threads, and a search of 0.5 s takes 2 s.

    Every thread has a number of its own, which a new thread takes from whoever set one last. So
    each restores what it had, or, if that was another caller's 1, what was usual.
    """
    import torch

    if getattr(_OneThread.here, "inside", False):
        yield
        return
    with _OneThread.lock:
        own = torch.get_num_threads()
        if not _OneThread.inside:
            _OneThread.usual = own
        elif own == 1:
            own = _OneThread.usual
        _OneThread.inside += 1
        torch.set_num_threads(1)
    _OneThread.here.inside = True
    try:
        yield
    finally:
        _OneThread.here.inside = False
        with _OneThread.lock:
            _OneThread.inside -= 1
            torch.set_num_threads(own)


def _sums(left: Tensor, right: Tensor) -> Tensor:
    """Sum the products of two tensors over the last dimension; `right` may be overwritten."""
    import torch

    # Products of two half-precision numbers are already exact in single precision.
    return right.float().mul_(left.float()).sum(-1, dtype=torch.float64)


def _pairs_at_once(rows: Tensor) -> int:
    if rows.device.type == "cpu":
        return _HOST_PAIRS
    # Two rows of halves and of singles, and one of doubles.
    return max(1, _DEVICE_BYTES // (20 * int(rows.shape[1])))


def _slices(count: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def _each(work: Callable[[slice], None], parts: Sequence[slice], rows: Tensor) -> None:
    """Run the parts: on the host on every core, on a device one after the other."""

    def run(own: Sequence[slice]) -> None:
        for part in own:
            work(part)

    if rows.device.type != "cpu" or len(parts) < 2:
        run(parts)
        return
    with one_thread(), ThreadPoolExecutor(cores()) as pool:
        list(pool.map(run, [parts[core :: cores()] for core in range(cores())]))
