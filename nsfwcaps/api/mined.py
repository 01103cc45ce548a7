"""The result of mining."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.mining.pairs import MinedPairs
from nsfwcaps.vectors.unit import as_cosines

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mined:
    """Counterparts of u unsafe rows among s safe rows, best first.

    Unpacks into three arrays: `rows, cosines, scores = found`.
    """

    rows: Rows
    """Safe row of each counterpart `[u, k]`; −1 if a row has fewer than k."""
    cosines: Floats
    """Cosine of each pair `[u, k]`, exact, rounded once, within [-1, 1]; NaN without a pair."""
    scores: Floats
    """Score of each pair `[u, k]`: cosine minus hubness penalty. NaN if there is no pair."""
    margins: Floats
    """Score minus that of the next candidate `[u, k]`; NaN if there is no other candidate."""
    density: Floats
    """Mean cosine `[u]` of each unsafe row to its ten nearest safe rows."""
    hub_counts: Rows
    """Number of pairs `[s]` that contain each safe row."""
    reasons: Mapping[int, str]
    """Reason why an unsafe row has no counterpart, such as `below_min_similarity`."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Statistics: index and recall, device, number of pairs, hubs among the safe rows."""

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return iter((self.rows, self.cosines, self.scores))

    def __repr__(self) -> str:
        unsafe, k = self.rows.shape
        return (
            f"Mined({unsafe:,} unsafe rows, k={k}: {int((self.rows >= 0).sum()):,} pairs, "
            f"{len(self.reasons):,} rows without one)"
        )


def gather(pairs: MinedPairs, unsafe_rows: int) -> Mined:
    """Collect the pairs of all blocks into arrays."""
    shape = (unsafe_rows, pairs.k)
    rows = np.full(shape, -1, dtype=np.int64)
    cosines, scores, margins = (np.full(shape, np.nan, dtype=np.float32) for _ in range(3))
    density = np.empty(unsafe_rows, dtype=np.float32)
    reasons: dict[int, str] = {}
    for block, chosen in pairs.blocks():
        ranked = block.ranked
        query, place = np.nonzero(chosen)
        at = ranked.first + query, np.cumsum(chosen, axis=1)[query, place] - 1
        rows[at], cosines[at] = ranked.rows[query, place], as_cosines(ranked.sims[query, place])
        scores[at], margins[at] = ranked.scores[query, place], block.margins[query, place]
        density[ranked.first : ranked.first + len(chosen)] = as_cosines(block.density)
        for row in np.flatnonzero(~chosen.any(axis=1)).tolist():
            reasons[ranked.first + row] = block.reason(row)
    count = int((rows >= 0).sum())
    return Mined(
        rows=rows,
        cosines=cosines,
        scores=scores,
        margins=margins,
        density=density,
        hub_counts=pairs.hub_counts,
        reasons=reasons,
        facts={**pairs.facts, "pairs": count, "pairs_missing": rows.size - count},
    )
