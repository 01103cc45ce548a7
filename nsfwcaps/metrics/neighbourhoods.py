"""Overlap of neighbourhoods: how many of its nearest rows each row keeps.

Tiles in single precision find somewhat more than the k nearest of each row. Their rounding error
has a proven bound, so most of these are inside or outside the neighbourhood for certain; the few
others are computed in double precision. A row whose surplus does not reach beyond doubt, as one
with many equals, is compared with all rows in double precision. So the overlap depends neither on
the tiles nor on the device.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.similarities import TIE, Vectors
from nsfwcaps.metrics.tiles import (
    Side,
    Task,
    Tensor,
    Tile,
    for_each_tile,
    memory_advice,
    pairs_at_once,
    rounding_bound,
    silent,
)

_SURPLUS = 14
"""Rows kept beyond the k nearest of each row."""
_SPARSE = 32
"""If fewer than one in 32 similarities of a tile are new, they are taken out one by one."""
_VALUES, _CACHED = 2**23, 2**20
"""Numbers in double precision at once: 64 MiB, and 8 MiB where many arrays are made of them."""
_COLUMNS = 8192


def neighbourhood_overlaps(
    after: Vectors, before: Vectors, k: int = 10, *, device: str = "cpu", task: Task = silent
) -> npt.NDArray[np.float64]:
    """Return the Jaccard index `[n]` of each row's k nearest other rows, after and before.

    Rows are unit vectors `[n, d]`; the device is `cpu` or `cuda`. Rows as near as the k-th (within
    `TIE`) share the places that are left: each belongs to the neighbourhood in part, and the index
    is the sum of the smaller parts over the sum of the larger ones. Without ties it is the usual
    one.

    Raises:
        ValueError: there are not more than k rows, or their numbers differ.
        DeviceError: the vectors do not fit in the device's memory.
    """
    if len(after) != len(before) or len(after) <= k:
        raise ValueError(
            f"need equal row counts above {k}, got {len(after)} after and {len(before)} before"
        )
    with memory_advice(), task(len(after) * (len(after) - 1)) as advance:
        sides = [Side.of(rows, device) for rows in (after, before)]
        one, other = (_neighbourhoods(side, k, advance) for side in sides)
        shared = _shared(one, other)
        unsettled = (~(one.settled & other.settled)).nonzero()[:, 0]
        for some in unsettled.split(max(1, _VALUES // len(after))):
            of_one, of_other = (_similarities(side, some) for side in sides)
            shared[some] = _shared_among_all(of_one, of_other, k)
        shared.clamp_(max=k)  # sums of parts are rounded
        out: npt.NDArray[np.float64] = (shared / (2 * k - shared)).cpu().numpy()
    return out


@dataclass(frozen=True, kw_only=True)
class _Neighbourhoods:
    rows: Tensor
    """Nearest other rows `[n, m]` of each row, more than k."""
    parts: Tensor
    """Part `[n, m]`, 0 to 1, of each in the neighbourhood; those of a settled row sum to k."""
    settled: Tensor
    """Whether `[n]` all rows of the neighbourhood are certain to be among the m."""


class _Nearest:
    """The nearest other rows of each row so far, in single precision, the nearest first."""

    def __init__(self, side: Side, most: int) -> None:
        import torch

        device = side.rows.device
        self.sims = torch.full((len(side), most), -torch.inf, device=device)
        self.rows = torch.full((len(side), most), -1, device=device)
        self._lock = threading.Lock()

    def add(self, tile: Tile) -> None:
        """Take the nearest of a tile: its rows' of its columns, and its columns' of its rows."""
        _leave_out_others(tile)
        self._offer(tile.rows, tile.sims, tile.columns.start)
        self._offer(tile.columns, tile.sims.T, tile.rows.start)

    def _offer(self, mine: slice, offered: Tensor, first: int) -> None:
        """Keep the nearest of the similarities `[r, c]` of some rows to those from `first` on."""
        import torch

        sims, rows = self.sims[mine], self.rows[mine]
        # Another thread may raise this meanwhile: then more are offered than are kept.
        new = offered > sims[:, -1:]
        count = int(new.sum(dtype=torch.int32))
        if not count:
            return
        if count * _SPARSE < new.numel():
            found, columns = _taken(offered, new)
        else:
            most = min(sims.shape[1], offered.shape[1])
            found, columns = offered.contiguous().topk(most, dim=1, sorted=False)
        columns += first
        with self._lock:
            best = torch.cat([sims, found], 1).topk(sims.shape[1], dim=1)
            rows.copy_(torch.cat([rows, columns], 1).gather(1, best.indices))
            sims.copy_(best.values)


def _leave_out_others(tile: Tile) -> None:
    """Set similarities on and below the diagonal of the whole product to −∞."""
    import torch

    if tile.columns.start < tile.rows.stop:
        row, column = (
            torch.arange(place.start, place.stop, device=tile.sims.device)
            for place in (tile.rows, tile.columns)
        )
        tile.sims.masked_fill_(column <= row[:, None], -torch.inf)


def _taken(sims: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """Return the similarities set in `which` `[r, c]` and their columns, `[r, w]`.

    Rows with fewer than w are filled up with −∞.
    """
    import torch

    row, column = which.contiguous().nonzero().T
    counts = torch.bincount(row, minlength=len(sims))
    place = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
    shape = len(sims), int(counts.max())
    found = torch.full(shape, -torch.inf, device=sims.device)
    columns = torch.full(shape, -1, device=sims.device)
    found[row, place] = sims[row, column]
    columns[row, place] = column
    return found, columns


def _neighbourhoods(side: Side, k: int, advance: Callable[[int], None]) -> _Neighbourhoods:
    """Return the k nearest other rows of each row, as far as they are certain."""
    import torch

    others = len(side) - 1
    nearest = _Nearest(side, min(k + _SURPLUS, others))
    for_each_tile(side.rows, side.rows, nearest.add, advance, above_diagonal=True)
    rows = nearest.rows
    # The k-th similarity and the others may each be wrong by the bound.
    doubt = TIE + 2 * rounding_bound(side, side)
    ahead = nearest.sims.double()
    ahead -= ahead[:, k - 1 : k].clone()
    settled = ahead[:, -1] < -doubt
    if rows.shape[1] == others:
        settled = torch.ones_like(settled)
    sims = torch.where(ahead > 0, torch.inf, -torch.inf).double()
    unsure: Tensor = ((ahead.abs() <= doubt) & settled[:, None]).nonzero()
    for some in unsure.split(pairs_at_once(side.rows)):
        row, place = some.T
        mine, other = side.rows[row].double(), side.rows[rows[row, place]].double()
        sims[row, place] = (mine * other).sum(1)
    return _Neighbourhoods(rows=rows, parts=_parts(sims, k), settled=settled)


def _similarities(side: Side, which: Tensor) -> Tensor:
    """Return the similarities `[w, n]` of some rows to all others, in double precision."""
    import torch

    mine = side.rows[which].double()
    sims = torch.cat([mine @ other.double().T for other in side.rows.split(_COLUMNS)], 1)
    sims[torch.arange(len(which), device=which.device), which] = -torch.inf
    return sims


def _parts(sims: Tensor, k: int) -> Tensor:
    """Return the part `[b, m]` of each row in the k nearest, given similarities `[b, m]`."""
    last = sims.topk(k, dim=1).values[:, -1:]
    inside, nearer = sims >= last - TIE, sims > last + TIE
    of_nearer = nearer.sum(1, keepdim=True)
    tied = inside.sum(1, keepdim=True) - of_nearer
    return (inside * ((k - of_nearer).double() / tied)).masked_fill_(nearer, 1)


def _shared(one: _Neighbourhoods, other: _Neighbourhoods) -> Tensor:
    """Return the sum `[n]` of the smaller parts of the rows in both neighbourhoods."""
    import torch

    shared = torch.empty(len(one.rows), dtype=torch.float64, device=one.rows.device)
    size = max(1, _CACHED // one.rows.shape[1] ** 2)
    for start in range(0, len(shared), size):
        some = slice(start, start + size)
        same = one.rows[some, :, None] == other.rows[some, None, :]
        both = one.parts[some, :, None].minimum(other.parts[some, None, :])
        shared[some] = (same * both).sum((1, 2))
    return shared


def _shared_among_all(one: Tensor, other: Tensor, k: int) -> Tensor:
    """Return the same sum `[b]`, given the similarities `[b, n]` to all rows after and before."""
    import torch

    size = max(1, _CACHED // one.shape[1])
    both = zip(one.split(size), other.split(size), strict=True)
    return torch.cat([_parts(a, k).minimum(_parts(b, k)).sum(1) for a, b in both])
