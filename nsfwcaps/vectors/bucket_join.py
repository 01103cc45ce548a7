"""Which rows of a large table are near each other, from tables of locality-sensitive hashes.

    keys [n] of one table ─ sort ─▶ buckets ─ pairs of rows not yet connected ─ verify ─▶ edges

Comparing all rows with all grows with the square of the rows. Here only rows in one bucket, with
equal keys in one of the tables, are compared (Indyk and Motwani 1998). What is wanted are connected
groups, so two rows that earlier edges connect are not compared again: the edges that are found are
enough to connect whatever all pairs in all buckets would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.captions.splits import groups
from nsfwcaps.vectors.index import Rows

Keys = npt.NDArray[np.uint64]
Near = Callable[[Rows, Rows], npt.NDArray[np.bool_]]
"""Whether rows `[m]` and `[m]` are near each other, exactly."""

_PAIRS = 2**20
"""Pairs verified at once."""


class Groups:
    """The connected groups of n rows, as edges are added."""

    def __init__(self, labels: Rows) -> None:
        self.labels = labels
        """Group `[n]` of each row."""

    def add(self, left: Rows, right: Rows) -> None:
        """Join the groups of the ends `[e]`, `[e]` of edges."""
        ends = np.concatenate([self.labels[left], self.labels[right]])
        names, place = np.unique(ends, return_inverse=True)
        if not len(names):
            return
        found = groups(len(names), place[: len(left)], place[len(left) :])
        first = np.full(len(names), len(self.labels), dtype=self.labels.dtype)
        np.minimum.at(first, found, names)
        into = np.arange(int(self.labels.max()) + 1, dtype=self.labels.dtype)
        into[names] = first[found]
        self.labels = into[self.labels]


def key_bits(rows: int) -> int:
    """Bits of a key at most: with the number of a row they fill 64."""
    return 64 - max(1, (rows - 1).bit_length())


def join_buckets(keys: Keys, near: Near, known: Groups) -> tuple[Rows, Rows]:
    """Return edges `[e]`, `[e]` that connect all near rows with equal keys `[n]`; adds to `known`.

    Rows at a distance of 1, 2, 3, … places in their bucket are compared. Each time the distance has
    doubled, the groups are joined, and buckets of one group are left. So a bucket of copies costs
    as many comparisons as it has rows.
    """
    rows, ends = _in_buckets(keys)
    left: list[Rows] = [np.empty(0, np.int64)]
    right: list[Rows] = [np.empty(0, np.int64)]
    at, step, joined = np.arange(len(rows)), 1, 0
    while len(at):
        if step & (step - 1) == 0:
            new = slice(joined, None)
            known.add(np.concatenate(left[new] or left[:1]), np.concatenate(right[new] or left[:1]))
            joined = len(left)
            at = at[_open(rows, ends, known.labels)[at]]
        at = at[at + step < ends[at]]
        for start in range(0, len(at), _PAIRS):
            part = at[start : start + _PAIRS]
            one, other = rows[part], rows[part + step]
            apart = known.labels[one] != known.labels[other]
            one, other = one[apart], other[apart]
            hit = near(one, other)
            left.append(one[hit])
            right.append(other[hit])
        step += 1
    known.add(np.concatenate(left[joined:] or left[:1]), np.concatenate(right[joined:] or left[:1]))
    return np.concatenate(left), np.concatenate(right)


def _in_buckets(keys: Keys) -> tuple[Rows, Rows]:
    """Return the rows `[m]` in buckets of two or more, bucket by bucket, and each bucket's end."""
    number = np.uint64(max(1, (len(keys) - 1).bit_length()))
    # Key and row in one number: sorting numbers is several times faster than sorting places.
    packed = np.left_shift(keys, number)
    packed |= np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    own = np.right_shift(packed, number)
    new = np.flatnonzero(own[1:] != own[:-1]) + 1
    edges = np.concatenate([[0], new, [len(keys)]])
    sizes = np.diff(edges)
    shared = np.repeat(sizes > 1, sizes)
    packed &= np.left_shift(np.uint64(1), number) - np.uint64(1)
    rows = packed[shared].astype(np.int64)
    sizes = sizes[sizes > 1]
    return rows, np.repeat(np.cumsum(sizes), sizes)


def _open(rows: Rows, ends: Rows, labels: Rows) -> npt.NDArray[np.bool_]:
    """Mask `[m]` of the rows whose bucket still has several groups."""
    found: Any = labels[rows]
    starts = np.flatnonzero(np.r_[True, ends[1:] != ends[:-1]]) if len(ends) else ends
    if not len(starts):
        return np.zeros(0, np.bool_)
    several = np.minimum.reduceat(found, starts) != np.maximum.reduceat(found, starts)
    return np.repeat(several, np.diff(np.r_[starts, len(rows)]))
