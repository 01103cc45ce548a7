"""The pairs of one block of unsafe rows: targets taken, then those below the floor set aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nsfwcaps.mining.ranking import Block, at_least
from nsfwcaps.mining.selection import Cutoffs, take
from nsfwcaps.vectors.index import Rows, Single


@dataclass(frozen=True, kw_only=True)
class PairBlock:
    """The m pairs of q unsafe rows, by row and rank."""

    rows: Rows
    """`[q]`, the unsafe rows."""
    query: Rows
    """`[m]`, place in `rows` of each pair's unsafe row."""
    place: Rows
    """`[m]`, place of the target among the ranked candidates of its unsafe row."""
    targets: Rows
    """`[m]`, safe rows."""
    ranks: Rows
    """`[m]`, 1 for the best target; pairs set aside keep their rank, so ranks may have gaps."""
    sims: Single
    scores: Single
    rejects: Mapping[int, str]
    """Why each unsafe row without a pair has none; by place in `rows`."""
    below: int
    """Number of pairs set aside because their cosine is below the floor."""


def pairs_of(block: Block, cutoffs: Cutoffs, k: int, floor: float | None) -> PairBlock:
    """Take the k best accepted targets of each row, then keep the pairs that reach the floor.

    The floor comes last and moves nothing: what is kept is a part of the pairs without a floor.
    """
    ranked = block.ranked
    taken = take(ranked, cutoffs, k)
    kept = taken if floor is None else taken & at_least(ranked.sims, floor)
    query, place = np.nonzero(kept)
    rejects = {}
    for row in np.flatnonzero(~kept.any(axis=1)).tolist():
        empty = (name for name, left in block.left.items() if not left[row])
        last = "below_min_similarity" if taken[row].any() else "targets_full"
        rejects[row] = next(empty, last)
    return PairBlock(
        rows=ranked.first + np.arange(len(kept)),
        query=query,
        place=place,
        targets=ranked.rows[query, place],
        ranks=np.cumsum(taken, axis=1, dtype=np.int64)[query, place],
        sims=ranked.sims[query, place],
        scores=ranked.scores[query, place],
        rejects=rejects,
        below=int(taken.sum() - kept.sum()),
    )
