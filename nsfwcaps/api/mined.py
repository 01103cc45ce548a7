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
    """Safe row of each counterpart `[u, k]`, by rank; −1 where there is none, or its cosine is
    below `min_similarity`."""
    cosines: Floats
    """Cosine of each pair `[u, k]` in the chosen similarity: exact, rounded once, within [-1, 1];
    NaN without a pair."""
    scores: Floats
    """Score of each pair `[u, k]`: cosine minus hubness penalty. NaN if there is no pair."""
    margins: Floats
    """Score minus that of the next candidate `[u, k]` that is no near-duplicate of the target;
    NaN if there is none."""
    density: Floats
    """Mean cosine `[u]` of each unsafe row to its ten nearest safe rows; NaN without a picture
    that is needed."""
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
    density = np.full(unsafe_rows, np.nan, dtype=np.float32)
    reasons = dict.fromkeys(pairs.without_picture.tolist(), "no_picture")
    for block, block_margins, block_density in pairs.blocks():
        at = block.rows[block.query], block.ranks - 1
        rows[at], cosines[at] = block.targets, as_cosines(block.sims)
        scores[at], margins[at] = block.scores, block_margins
        density[block.rows] = as_cosines(block_density)
        reasons |= {int(block.rows[row]): reason for row, reason in block.rejects.items()}
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
