"""Counts of the wrong candidates that are nearer than a query's best right one, or as near.

A tile in single precision settles almost every candidate: its rounding error has a proven bound,
and a candidate further than that from both ends of the tie is on the same side of them in exact
arithmetic. The few others are computed in double precision. So the counts depend neither on the
tiles nor on the device.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.answer_sets import Rows, Sets
from nsfwcaps.metrics.similarities import TIE
from nsfwcaps.metrics.tiles import Tensor, Tile

Doubles = npt.NDArray[np.float64]

_PAIRS = 1024
"""Pairs in double precision at once: their rows stay in the cache."""
_SPARSE = 16
"""With fewer candidates in doubt than one in 16, each is computed alone."""


class Limit:
    """Best right similarity of each query, and the counts of wrong candidates against it."""

    def __init__(self, best: Doubles, device: Any) -> None:
        """Start at zero, for the best similarities `[q]`; −∞ for a query without right answers."""
        import torch

        self.best = torch.from_numpy(best).to(device)
        self.above = torch.zeros(len(best), dtype=torch.int64, device=device)
        """Wrong candidates `[q]` that are nearer, or no number."""
        self.tied = torch.zeros_like(self.above)
        self.lock = threading.Lock()

    def ranks(self, candidates: int) -> Rows:
        """Return ranks `[q]` from 0: ties count half, rounded up; without a best one, the last."""
        found = self.above + (self.tied + 1) // 2
        found[~self.best.isfinite()] = candidates
        out: Rows = found.cpu().numpy()
        return out


class Top:
    """Largest similarity `[q]` of each query with one pool, in single precision."""

    def __init__(self, queries: int, device: Any) -> None:
        import torch

        self.sims = torch.full((queries,), -torch.inf, device=device)
        self._lock = threading.Lock()

    def add(self, place: slice | Tensor, sims: Tensor) -> None:
        """Take similarities `[a]` of the queries at `place`; −1 is none."""
        import torch

        if not isinstance(place, slice):
            there = place >= 0
            place, sims = place[there], sims[there]
        with self._lock:
            self.sims[place] = torch.maximum(self.sims[place], sims)


class Counter:
    """Counts, for the queries along one axis of a product, in the tiles of one pool."""

    def __init__(
        self,
        asked: Tensor,
        offered: Tensor,
        axis: int,
        *,
        places: Tensor | None,
        limits: list[tuple[Limit, Sets | None]],
        top: Top | None,
        itself: Rows | None,
        error: float,
    ) -> None:
        """Prepare the counting.

        Args:
            asked: all rows of the query's side of the product `[n, d]`.
            offered: the pool `[m, d]`.
            axis: axis of the tiles along which the queries are: 0 rows, 1 columns.
            places: number of the query `[n]` at each row of `asked`, −1 for none; None: its own.
            limits: limits `[q]`, with the rows of the pool that are right and do not count.
            top: the largest similarity is kept here; None if it is not wanted.
            itself: row `[q]` of the pool that is the query itself and no candidate.
            error: bound of the error of a similarity in a tile.
        """
        self._asked, self._offered, self._axis = asked, offered, axis
        self._top = top
        self._places = places
        own = None if itself is None else _Entries(_single_sets(itself), places, asked)
        self._own = own
        self._limits = [_Edges(limit, right, places, asked, error) for limit, right in limits]

    def add(self, tile: Tile) -> None:
        """Count in one tile."""
        import torch

        mine, other = (tile.rows, tile.columns) if self._axis == 0 else (tile.columns, tile.rows)
        view = tile.sims if self._axis == 0 else tile.sims.T  # [a, c]
        if self._own is not None:
            view[self._own.within(mine, other)] = -torch.inf
        best = view.amax(1)  # NaN where any is
        if self._top is not None:
            self._top.add(mine if self._places is None else self._places[mine], best)
        for edges in self._limits:
            # A tile whose nearest candidate is below the tie has nothing to count.
            which = (~(best < edges.low[mine])).nonzero()[:, 0]
            if len(which):
                self._count(edges, tile, which, mine, other)

    def _count(self, edges: _Edges, tile: Tile, which: Tensor, mine: slice, other: slice) -> None:
        """Count for the queries `which` `[w]` of a tile."""
        import torch

        view = self._selected(edges, tile, which, mine, other)
        rows = which + mine.start
        high = edges.high[rows, None]
        tied = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
        reached = (view < edges.low[rows, None]).logical_not_()
        if _is_sparse(reached):
            query, column = reached.nonzero().T
            unsure = view[query, column] <= high[query, 0]  # NaN is above
            above = torch.zeros_like(tied).index_add_(0, query, (~unsure).long())
            self._settle(edges, rows, (query[unsure], column[unsure]), other, (above, tied))
        else:
            within = view <= high
            above = view.shape[1] - within.sum(1, dtype=torch.int32).long()
            doubt = reached.logical_and_(within)
            if _is_sparse(doubt):
                self._settle(edges, rows, tuple(doubt.nonzero().T), other, (above, tied))
            else:
                self._settle_all(edges, rows, doubt, other, (above, tied))
        edges.add(rows, above, tied)

    def _selected(
        self, edges: _Edges, tile: Tile, which: Tensor, mine: slice, other: slice
    ) -> Tensor:
        """Return similarities `[w, c]` of some queries; those of right candidates are −∞."""
        import torch

        part = tile.sims.index_select(self._axis, which)
        view = part if self._axis == 0 else part.T
        if edges.right is not None:
            rows, columns = edges.right.within(mine, other)
            position = torch.full((mine.stop - mine.start,), -1, device=which.device)
            position[which] = torch.arange(len(which), device=which.device)
            there = position[rows] >= 0
            view[position[rows[there]], columns[there]] = -torch.inf
        return view

    def _settle(
        self,
        edges: _Edges,
        rows: Tensor,
        pairs: tuple[Tensor, ...],
        other: slice,
        counts: tuple[Tensor, Tensor],
    ) -> None:
        """Count pairs in double precision, in the counts `[w]` of those above and those tied.

        A pair is a place in `rows` `[w]`, the rows of the queries, and a column of the tile, whose
        part of the pool is `other`.
        """
        above, tied = counts
        offered = self._offered[other]
        for query, column in zip(*(part.split(_PAIRS) for part in pairs), strict=True):
            sims = (self._asked[rows[query]].double() * offered[column].double()).sum(1)
            best = edges.best[rows[query]]
            nearer = sims > best + TIE
            above.index_add_(0, query, nearer.long())
            tied.index_add_(0, query, (~nearer & (sims >= best - TIE)).long())

    def _settle_all(
        self,
        edges: _Edges,
        rows: Tensor,
        doubt: Tensor,
        other: slice,
        counts: tuple[Tensor, Tensor],
    ) -> None:
        """Do the same for many pairs, those set in `doubt` `[w, c]`, by a product."""
        above, tied = counts
        sims = self._asked[rows].double() @ self._offered[other].double().T
        best = edges.best[rows, None]
        nearer = sims > best + TIE
        above += (doubt & nearer).sum(1)
        tied += (doubt & ~nearer & (sims >= best - TIE)).sum(1)


def _is_sparse(flags: Tensor) -> bool:
    import torch

    flagged = int(flags.sum(dtype=torch.int32))
    return flagged * _SPARSE < int(flags.numel())


class _Edges:
    """A limit, laid out along the rows `[n]` of a side: what is below and above it for certain."""

    def __init__(
        self,
        limit: Limit,
        right: Sets | None,
        places: Tensor | None,
        asked: Tensor,
        error: float,
    ) -> None:
        import torch

        self._limit, self._places = limit, places
        self.right = None if right is None else _Entries(right, places, asked)
        best = limit.best
        if places is not None:
            best = torch.where(places >= 0, best[places], torch.inf)
        # Nothing is counted for a query without a right answer: it is last.
        self.best = torch.where(best.isfinite(), best, torch.inf)
        infinity = torch.tensor(torch.inf, device=asked.device)
        self.low = torch.nextafter((self.best - TIE - error).float(), -infinity)
        self.low[self.best == torch.inf] = torch.inf
        self.high = torch.nextafter((self.best + TIE + error).float(), infinity)

    def add(self, rows: Tensor, above: Tensor, tied: Tensor) -> None:
        """Add counts for rows of the side; a row that asks nothing has none."""
        if self._places is not None:
            rows = self._places[rows]
            there = rows >= 0
            rows, above, tied = rows[there], above[there], tied[there]
        with self._limit.lock:
            self._limit.above.index_add_(0, rows, above)
            self._limit.tied.index_add_(0, rows, tied)


class _Entries:
    """Entries of a product, as rows of the pool for each row of the asking side."""

    def __init__(self, sets: Sets, places: Tensor | None, asked: Tensor) -> None:
        import torch

        if places is not None:
            sets = _laid_out(sets, places.cpu().numpy())
        self._columns = torch.from_numpy(sets.rows).to(asked.device)
        self._owners = torch.from_numpy(sets.owners).to(asked.device)
        self._offsets = sets.offsets

    def within(self, mine: slice, other: slice) -> tuple[Tensor, Tensor]:
        """Return the entries in a tile, as rows and columns of the tile."""
        inside = slice(int(self._offsets[mine.start]), int(self._offsets[mine.stop]))
        rows, columns = self._owners[inside], self._columns[inside]
        there = (columns >= other.start) & (columns < other.stop)
        return rows[there] - mine.start, columns[there] - other.start


def _laid_out(sets: Sets, places: Rows) -> Sets:
    """Return the set of each row `[n]` of a side, given the number of its query, −1 for none."""
    sizes = np.append(np.diff(sets.offsets), 0)[places]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    starts = np.append(sets.offsets[:-1], 0)[places]
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
    return Sets(rows=sets.rows[np.repeat(starts, sizes) + within], offsets=offsets)


def _single_sets(rows: Rows) -> Sets:
    return Sets(rows=rows, offsets=np.arange(len(rows) + 1))
