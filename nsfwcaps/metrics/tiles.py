"""Similarities of all rows with all rows, in tiles that are used while they are in the cache.

A tile's product and all that is read from it belong to one thread, with single-threaded BLAS:
threads never wait for each other. On a GPU the tiles are large and follow one another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.errors import DeviceError
from nsfwcaps.runtime.gpu_memory import free_bytes
from nsfwcaps.runtime.single_precision import single_precision
from nsfwcaps.runtime.worker_threads import team_size, worker_threads

Tensor = Any
"""A tensor of torch, which is imported late."""

Task = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Starts to show progress, given the number of similarities; the value counts those done."""

ROWS, COLUMNS = 512, 2048
"""On a CPU: 4 MiB of similarities; the product is as fast as with larger tiles."""
_GPU_ROWS, _GPU_VALUES = 8192, 2**29
_PAIRS = {"cpu": 1024, "cuda": 2**16}
_FREE_SHARE = 8
"""A tile takes at most this part of a GPU's free memory; masks and copies of it take more."""


def silent(total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Show no progress."""
    return nullcontext(lambda cosines: None)


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Similarities `[r, c]` of some rows of one side with some of the other.

    The memory is reused after the call that gets the tile.
    """

    rows: slice
    columns: slice
    sims: Tensor

    def pairs(self) -> int:
        """Return the number of similarities above the diagonal of the whole product."""
        first, last = self.columns.start, self.columns.stop
        rows = range(self.rows.start, self.rows.stop)
        return sum(max(0, last - max(first, row + 1)) for row in rows)


@dataclass(frozen=True, kw_only=True)
class Side:
    """Rows `[n, d]` on the device, in single precision."""

    rows: Tensor
    longest: float
    """Length of the longest row, without those that are no numbers."""

    @classmethod
    def of(cls, rows: npt.NDArray[np.float32], device: str) -> Side:
        """Move rows to a device, `cpu` or `cuda`.

        Raises:
            DeviceError: the device has too little memory.
        """
        import torch

        with memory_advice():
            held = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32)).to(device)
            lengths = held.norm(dim=1)
        lengths = lengths[lengths.isfinite()]
        return cls(rows=held, longest=float(lengths.max()) if len(lengths) else 0.0)

    def __len__(self) -> int:
        return len(self.rows)


def pairs_at_once(rows: Tensor) -> int:
    """Return how many pairs of rows to compute in double precision at once.

    On a CPU the rows of so many pairs stay in a core's cache.
    """
    return _PAIRS[rows.device.type]


def rounding_bound(one: Side, other: Side) -> float:
    """Bound the error of a similarity of two rows in single precision, in any order of sums.

    It is g |a| |b|, with g = d u / (1 − d u) and u = 2⁻²⁴ (Higham, Accuracy and Stability of
    Numerical Algorithms, 2nd edition, section 3.1, and the Cauchy inequality). Rows that are no
    numbers do not count: their similarities are no numbers in any precision.
    """
    width = int(one.rows.shape[1]) * 2.0**-24
    lengths = 1.001 * one.longest * other.longest  # they are rounded too
    return width / (1 - width) * lengths


def for_each_tile(
    left: Tensor,
    right: Tensor,
    use: Callable[[Tile], None],
    advance: Callable[[int], None] = lambda cosines: None,
    *,
    above_diagonal: bool = False,
) -> None:
    """Call `use` with every tile of `left @ right.T`, from several threads on a CPU.

    For rows with themselves, tiles with nothing above the diagonal can be left out: every pair of
    two rows is above it once.

    Products are in true single precision: TF32 is off. `advance` is called on this thread with the
    number of similarities in a tile that is done, or of those above the diagonal.

    Raises:
        DeviceError: the device has too little memory.
    """
    if not len(left) or not len(right):
        return
    with memory_advice(), single_precision():
        rows, columns = _shape(left, right)
        buffers = threading.local()

        def work(place: tuple[int, int]) -> int:
            tile = _product(left, right, place, (rows, columns), buffers)
            use(tile)
            return tile.pairs() if above_diagonal else int(tile.sims.numel())

        places = [
            (row, column)
            for row in range(0, len(left), rows)
            for column in range(0, len(right), columns)
            if not above_diagonal or row + 1 < column + columns
        ]
        if left.is_cuda or len(places) == 1:
            for place in places:
                advance(work(place))
            return
        # As many threads as torch has; a new one's first product would start a team of its own.
        with worker_threads(team_size(), alone=True) as pool:
            for done in pool.map(work, places):
                advance(done)


def _product(
    left: Tensor, right: Tensor, place: tuple[int, int], shape: tuple[int, int], buffers: Any
) -> Tile:
    import torch

    if not hasattr(buffers, "sims"):
        buffers.sims = torch.empty(shape[0] * shape[1], dtype=left.dtype, device=left.device)
    rows, columns = (
        slice(start, min(start + size, len(side)))
        for start, size, side in zip(place, shape, (left, right), strict=True)
    )
    height, width = rows.stop - rows.start, columns.stop - columns.start
    sims = buffers.sims[: height * width].view(height, width)
    torch.mm(left[rows], right[columns].T, out=sims)
    return Tile(rows=rows, columns=columns, sims=sims)


def _shape(left: Tensor, right: Tensor) -> tuple[int, int]:
    """Rows and columns of a tile."""
    rows, columns = ROWS, COLUMNS
    if left.is_cuda:
        free = free_bytes(left.device) // _FREE_SHARE // 4
        rows = _GPU_ROWS
        columns = max(1024, min(free, _GPU_VALUES) // rows)
    return min(rows, len(left)), min(columns, len(right))


@contextmanager
def memory_advice() -> Iterator[None]:
    """Turn an out-of-memory error into advice.

    Raises:
        DeviceError: names the option that helps.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError:
        raise DeviceError(
            "the vectors of this evaluation do not fit in the memory of the device; use "
            "--device cpu"
        ) from None
