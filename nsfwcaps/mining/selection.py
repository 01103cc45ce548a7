"""From candidates to pairs: order by score, and take the k best that accept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsfwcaps.vectors.index import Rows, Single

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """Candidates `[q, c]` of q unsafe captions, best first; `usable` marks eligible ones.

    Unusable candidates are at the end of their row, with a score of −∞.
    """

    first: int
    """Row number of the first of the q unsafe captions."""
    rows: Rows
    sims: Single
    scores: Single
    usable: Mask


def rank(first: int, rows: Rows, sims: Single, penalties: Single, usable: Mask) -> Ranked:
    """Sort candidates `[q, c]` by score = cosine − penalty, ties by row."""
    scores = np.where(usable, sims - penalties, -np.inf).astype(np.float32)
    order = np.lexsort((rows, -scores), axis=-1)
    return Ranked(
        first=first,
        rows=np.take_along_axis(rows, order, axis=-1),
        sims=np.take_along_axis(sims, order, axis=-1),
        scores=np.take_along_axis(scores, order, axis=-1),
        usable=np.take_along_axis(usable, order, axis=-1),
    )


@dataclass(frozen=True, kw_only=True)
class Cutoffs:
    """For every target `[n]`, the score and unsafe row of the last pair that it accepts."""

    scores: Single
    rows: Rows

    def accept(self, ranked: Ranked) -> Mask:
        """Mask `[q, c]` of candidates whose targets accept them."""
        bar = self.scores[ranked.rows]
        unsafe = ranked.first + np.arange(len(ranked.rows))[:, None]
        accepted: Mask = ranked.usable & (
            (ranked.scores > bar) | ((ranked.scores == bar) & (unsafe <= self.rows[ranked.rows]))
        )
        return accepted


def open_cutoffs(targets: int) -> Cutoffs:
    """Cutoffs that accept every pair."""
    return Cutoffs(
        scores=np.full(targets, -np.inf, dtype=np.float32),
        rows=np.full(targets, np.iinfo(np.int64).max),
    )


def take(ranked: Ranked, cutoffs: Cutoffs, k: int) -> Mask:
    """Mask `[q, c]` of the k best accepted candidates of each unsafe caption."""
    accepted = cutoffs.accept(ranked)
    return accepted & (np.cumsum(accepted, axis=1) <= k)


def hub_counts(targets: Iterable[Rows], rows: int) -> Rows:
    """Number of times `[n]` that each row is a target."""
    counts = np.zeros(rows, dtype=np.int64)
    for part in targets:
        counts += np.bincount(part, minlength=rows)
    return counts


def hub_statistics(counts: Rows) -> dict[str, float | int]:
    """Statistics on how evenly targets are used, from the number of pairs per target `[n]`.

    Gini is 0 if all used targets have equally many pairs, and near 1 if one has nearly all.

    >>> hub_statistics(np.array([3, 0, 1]))
    {'distinct_targets': 2, 'largest_hub': 3, 'largest_share': 0.75, 'gini': 0.25}
    """
    used = np.sort(counts[counts > 0])
    if len(used) == 0:
        return {"distinct_targets": 0, "largest_hub": 0, "largest_share": 0.0, "gini": 0.0}
    n, total = len(used), int(used.sum())
    ranks = np.arange(1, n + 1)
    gini = float((2 * ranks - n - 1) @ used / (n * total))
    return {
        "distinct_targets": n,
        "largest_hub": int(used[-1]),
        "largest_share": round(int(used[-1]) / total, 6),
        "gini": round(gini, 6),
    }


def flat(ranked: Ranked, chosen: Mask) -> tuple[Rows, Rows, Single]:
    """Unsafe row, target and score `[m]` of the chosen candidates."""
    query, place = np.nonzero(chosen)
    return query + ranked.first, ranked.rows[query, place], ranked.scores[query, place]
