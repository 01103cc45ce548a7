"""Which rows of a large table are near each other, from tables of locality-sensitive hashes.

    keys [n] of one table ─ sort ─▶ buckets ─ pairs of rows not yet connected ─ verify ─▶ edges

Comparing all rows with all grows with the square of the rows. Here only rows in one bucket, with
equal keys in one of the tables, are compared (Indyk and Motwani 1998). What is wanted are connected
groups, so two rows that earlier edges connect are not compared again: the edges that are found are
enough to connect whatever all pairs in all buckets would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    rows, sizes = _in_buckets(keys)
    edges, first = [np.empty((2, 0), np.int64)], 1
    while True:
        rows, sizes = _of_several(rows, sizes, known.labels, first)
        if not len(rows):
            left, right = np.concatenate(edges, axis=1)
            return left, right
        found = _apart(rows, sizes, range(first, 2 * first), known.labels)
        new = [pairs[:, near(*pairs)] for pairs in found]
        known.add(*np.concatenate(new, axis=1))
        edges += new
        first *= 2


def _apart(rows: Rows, sizes: Rows, steps: range, labels: Rows) -> Iterator[Rows]:
    """Yield pairs `[2, m]` of rows that are some steps apart in a bucket, of different groups."""
    ends, at = np.repeat(np.cumsum(sizes), sizes), np.arange(len(rows))
    held, count = [np.empty((2, 0), np.int64)], 0
    for step in steps:
        at = at[at + step < ends[at]]
        for start in range(0, len(at), _PAIRS):
            part = at[start : start + _PAIRS]
            one, other = rows[part], rows[part + step]
            apart = labels[one] != labels[other]
            held.append(np.stack([one[apart], other[apart]]))
            count += held[-1].shape[1]
            if count >= _PAIRS:
                yield np.concatenate(held, axis=1)
                held, count = held[:1], 0
    yield np.concatenate(held, axis=1)


def _in_buckets(keys: Keys) -> tuple[Rows, Rows]:
    """Return the rows `[m]` in buckets of two or more, bucket by bucket, and the sizes `[b]`."""
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
    return rows, sizes[sizes > 1]


def _of_several(rows: Rows, sizes: Rows, labels: Rows, first: int) -> tuple[Rows, Rows]:
    """Keep the buckets that have several groups, and rows `first` places apart."""
    if not len(sizes):
        return rows, sizes
    found, starts = labels[rows], np.cumsum(sizes) - sizes
    kept = np.minimum.reduceat(found, starts) != np.maximum.reduceat(found, starts)
    kept &= sizes > first
    return rows[np.repeat(kept, sizes)], sizes[kept]
