"""Caps the number of pairs of a target: deferred acceptance, in a time linear in the proposals.

    ranked blocks ─ written once ─▶ lists [u, c] ─ rows without a target propose ─▶ cutoffs [s]

Every unsafe caption proposes to its k best targets. A target with more than `cap` proposals keeps
the best and refuses the others, whose captions propose to the next ones. Only refused captions
propose again, and only to targets that would take them; a list is read from where it was left.
So a round costs what was refused in the one before, not another ranking of all captions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from nsfwcaps.mining.selection import Cutoffs, Mask, Ranked, open_cutoffs
from nsfwcaps.vectors.index import Rows, Single

Scratch = Callable[[], BinaryIO]
"""Opens an empty file that disappears when it is closed."""

Places = npt.NDArray[np.int32]

_AT_ONCE = 65_536
"""Lists that are looked at together."""
_WINDOW = 8
"""Places of a list that are looked at together at first."""


def cap_hubs(
    blocks: Iterable[Ranked], targets: int, *, k: int, cap: int, scratch: Scratch | None = None
) -> Cutoffs:
    """Cutoffs with which no target is in more than `cap` pairs, and each keeps its best ones.

    This is deferred acceptance (Gale and Shapley 1962). Both sides rank a pair by the same score,
    so the stable outcome is unique and equals greedy selection by descending score.

    Args:
        blocks: Ranked candidates of all unsafe captions, in order.
        targets: Number of targets.
        k: Targets of an unsafe caption.
        cap: Most pairs of a target.
        scratch: Where the ranked lists are kept, 8 bytes for each candidate; None: in memory.
    """
    lists = _Lists(blocks, scratch)
    cutoffs = open_cutoffs(targets)
    held = _Held(cutoffs, cap)
    place = np.zeros(lists.count, dtype=np.int32)
    needing = np.arange(lists.count)
    needed = np.full(lists.count, k)
    while len(needing):
        refused = held.add(*_proposals(lists, cutoffs, place, needing, needed))
        needing, needed = np.unique(refused, return_counts=True)
    return cutoffs


class _Lists:
    """Targets and scores `[u, c]` of all candidates, best first; −∞ ends a list."""

    def __init__(self, blocks: Iterable[Ranked], scratch: Scratch | None) -> None:
        rows, scores = _Column(np.dtype(np.uint32), scratch), _Column(np.dtype("f4"), scratch)
        self.count = width = 0
        for block in blocks:
            width = block.rows.shape[1]
            self.count += len(block.rows)
            rows.add(np.where(block.usable, block.rows, 0))
            scores.add(block.scores)
        self.rows, self.scores = (column.whole(self.count, width) for column in (rows, scores))


class _Column:
    """An array `[u, c]` that is written block by block, in memory or in a file."""

    def __init__(self, dtype: np.dtype, scratch: Scratch | None) -> None:
        self._dtype, self._file = dtype, scratch and scratch()
        self._blocks: list[npt.NDArray[np.generic]] = []

    def add(self, block: npt.NDArray[np.generic]) -> None:
        """Append rows `[q, c]`."""
        block = np.ascontiguousarray(block, dtype=self._dtype)
        if self._file is None:
            self._blocks.append(block)
        else:
            self._file.write(block.data)

    def whole(self, rows: int, width: int) -> npt.NDArray[np.generic]:
        """Return all rows; those of a file are mapped."""
        if self._file is None:
            return np.concatenate([np.empty((0, width), self._dtype), *self._blocks])
        self._file.flush()
        if not rows * width:
            return np.empty((rows, width), self._dtype)
        return np.memmap(self._file, dtype=self._dtype, mode="r", shape=(rows, width))


def _proposals(
    lists: _Lists, cutoffs: Cutoffs, place: Places, needing: Rows, needed: Rows
) -> tuple[Rows, Rows, Single]:
    """Return unsafe row, target and score `[m]` of the next proposals; moves the places on."""
    unsafe, target = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    score = [np.empty(0, np.float32)]
    for start in range(0, len(needing), _AT_ONCE):
        rows, wanted = (part[start : start + _AT_ONCE] for part in (needing, needed))
        width = _WINDOW
        while len(rows):
            at = place[rows, None] + np.arange(width)
            there = at < lists.rows.shape[1]
            spot = np.minimum(at, lists.rows.shape[1] - 1)
            targets = np.asarray(lists.rows[rows[:, None], spot], dtype=np.int64)
            scores = np.asarray(lists.scores[rows[:, None], spot])
            usable = there & (scores > -np.inf)
            willing = usable & _accepted(cutoffs, rows[:, None], targets, scores)
            counts = np.cumsum(willing, axis=1, dtype=np.int32)
            chosen = willing & (counts <= wanted[:, None])
            query, column = np.nonzero(chosen)
            unsafe.append(rows[query])
            target.append(targets[query, column])
            score.append(scores[query, column])
            done = counts[:, -1] >= wanted
            # A list that was served goes on after its last proposal, another one after the window.
            last = np.where(done, (counts >= wanted[:, None]).argmax(axis=1) + 1, width)
            place[rows] += last.astype(place.dtype)
            more = ~done & usable[:, -1]
            rows, wanted = rows[more], (wanted - counts[:, -1])[more]
            width = min(2 * width, max(1, lists.rows.shape[1]))
    return np.concatenate(unsafe), np.concatenate(target), np.concatenate(score)


def _accepted(cutoffs: Cutoffs, unsafe: Rows, targets: Rows, scores: Single) -> Mask:
    bar = cutoffs.scores[targets]
    accepted: Mask = (scores > bar) | ((scores == bar) & (unsafe <= cutoffs.rows[targets]))
    return accepted


class _Held:
    """The proposals that targets hold: most sorted by target, the newest as they came.

    A target that refuses one raises its cutoff, so the cutoffs tell which are still held.
    """

    def __init__(self, cutoffs: Cutoffs, cap: int) -> None:
        self._cutoffs, self._cap = cutoffs, cap
        self._counts = np.zeros(len(cutoffs.scores), dtype=np.int64)
        self._sorted = _none()
        self._starts = np.zeros(len(cutoffs.scores) + 1, dtype=np.int64)
        self._newest = [_none()]

    def add(self, unsafe: Rows, target: Rows, score: Single) -> Rows:
        """Hold proposals `[m]`, and return the unsafe row of each that is refused now."""
        self._counts += np.bincount(target, minlength=len(self._counts))
        self._newest.append((unsafe, target, score))
        crowded = self._counts > self._cap
        full = np.flatnonzero(crowded)
        if not len(full):
            return unsafe[:0]
        unsafe, target, score = self._of(full, crowded)
        order = np.lexsort((unsafe, -score, target))
        starts = np.flatnonzero(np.r_[True, target[order][1:] != target[order][:-1]])
        last = order[starts + self._cap - 1]
        self._cutoffs.scores[target[last]] = score[last]
        self._cutoffs.rows[target[last]] = unsafe[last]
        self._counts[full] = self._cap
        sizes = np.diff(np.r_[starts, len(order)])
        ranks = np.arange(len(order)) - np.repeat(starts, sizes)
        refused = unsafe[order[ranks >= self._cap]]
        if sum(len(part[0]) for part in self._newest) > max(_AT_ONCE, len(self._sorted[0]) // 4):
            self._sort()
        return refused

    def _of(self, full: Rows, crowded: Mask) -> tuple[Rows, Rows, Single]:
        """Return the proposals that some targets hold."""
        sizes = self._starts[full + 1] - self._starts[full]
        ends = np.cumsum(sizes)
        spots = np.arange(ends[-1]) + np.repeat(self._starts[full] - (ends - sizes), sizes)
        parts = [tuple(column[spots] for column in self._sorted)]
        for part in self._newest:
            own = np.flatnonzero(crowded[part[1]])
            parts.append(tuple(column[own] for column in part))
        return self._alive(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _sort(self) -> None:
        columns = zip(self._sorted, *self._newest, strict=True)
        unsafe, target, score = self._alive(*(np.concatenate(column) for column in columns))
        order = np.argsort(target, kind="stable")
        self._sorted = unsafe[order], target[order], score[order]
        self._starts = np.r_[0, np.cumsum(np.bincount(target, minlength=len(self._counts)))]
        self._newest = [_none()]

    def _alive(self, unsafe: Rows, target: Rows, score: Single) -> tuple[Rows, Rows, Single]:
        held = _accepted(self._cutoffs, unsafe, target, score)
        return unsafe[held], target[held], score[held]


def _none() -> tuple[Rows, Rows, Single]:
    return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
