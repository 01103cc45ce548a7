"""Ranks of right candidates, computed in blocks, and the recall figures derived from them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.answer_sets import Rows, Sets
from nsfwcaps.metrics.similarities import Vectors, similarity_blocks

TIE = 1e-6
"""Cosines this close count as equal: rounding in a single-precision matrix product depends on the
position of a row, so two equal rows can differ by a few times 1e-7."""


def ranks(queries: Vectors, candidates: Vectors, targets: Rows) -> Rows:
    """Return the rank `[q]`, from 0, of target `[q]` among candidates `[n, d]`.

    Queries are `[q, d]`. Ties count half, rounded up, so a model that maps all inputs to one point
    scores no hits.

    >>> import numpy as np
    >>> ranks(np.float32([[1, 0]]), np.float32([[0, 1], [1, 0]]), np.array([1])).tolist()
    [0]
    """
    return ranks_of_any(
        queries, candidates, Sets(rows=targets, offsets=np.arange(len(targets) + 1))
    )


def ranks_of_any(queries: Vectors, candidates: Vectors, right: Sets) -> Rows:
    """Return the rank `[q]`, from 0, of the best right candidate: the wrong ones before it.

    Set i holds the right candidates of query i; they do not compete with each other. Ties with
    wrong ones count half, rounded up. A query without right candidates, or only with NaN, is last.
    """
    out = np.empty(len(queries), dtype=np.int64)
    for block, sims in similarity_blocks(queries, candidates):
        out[block] = best_ranks(sims, right.between(block.start, block.stop))
    return out


def best_ranks(sims: Vectors, right: Sets) -> Rows:
    """Compute `ranks_of_any` from given similarities `[b, n]`."""
    # Row by row, temporaries stay in the cache, which is twice as fast at 100,000 candidates.
    ranked = (_best_rank(row, right[which]) for which, row in enumerate(sims))
    return np.fromiter(ranked, dtype=np.int64, count=len(sims))


def unsafe_first(queries: Vectors, safe: Vectors, unsafe: Vectors) -> npt.NDArray[np.bool_]:
    """Tell for each query `[q]` whether no safe item is nearer than all unsafe ones.

    Ties count as unsafe, so a model that maps all inputs to one point does not pass as safe.
    """
    out = np.empty(len(queries), dtype=np.bool_)
    for block, sims in similarity_blocks(queries, safe, unsafe):
        out[block] = no_safe_nearer(sims[:, : len(safe)], sims[:, len(safe) :])
    return out


def no_safe_nearer(safe: Vectors, unsafe: Vectors) -> npt.NDArray[np.bool_]:
    """Compute `unsafe_first` from given similarities `[b, ·]`."""
    nearest_unsafe, nearest_safe = (sims.max(axis=1, initial=-np.inf) for sims in (unsafe, safe))
    # Negated so that NaN counts as unsafe.
    return np.asarray(~(nearest_unsafe < nearest_safe - TIE))


def recall(of_targets: Rows, k: int) -> float:
    """Return the share of queries whose target ranks among the first k."""
    return float((of_targets < k).mean()) if len(of_targets) else float("nan")


def reciprocal_ranks(of_targets: Rows) -> npt.NDArray[np.float64]:
    """Return reciprocal ranks `[q]`: 1 for the first place, 1/2 for the second, …"""
    return np.asarray(1 / (of_targets + 1))


def _best_rank(sims: Vectors, right: Rows) -> int:
    own = sims[right]
    best = np.max(own, where=own == own, initial=-np.inf)  # ignores NaN
    if not np.isfinite(best):
        return len(sims)
    not_above = _count(sims <= best + TIE) - _count(own <= best + TIE)
    below = _count(sims < best - TIE) - _count(own < best - TIE)
    above = len(sims) - len(right) - not_above  # NaN counts as above, hence as no hit
    return above + (not_above - below + 1) // 2


def _count(flags: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(flags))
