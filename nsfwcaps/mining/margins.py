"""Margins: how far the score of a pair is from that of the next other target.

Large pools say the same thing many times: several captions of one picture, paraphrases. Such a
neighbour of the target is no alternative to it, and a pair with the best target there is would get
a margin near zero. So the candidates are walked down to the first that is another target.

The walk is for chosen pairs only. It looks at 1, 2, 4, … candidates at once and mostly ends at the
first; cosines are exact, so its result does not depend on blocks, memory or device.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nsfwcaps.mining.pair_block import PairBlock
from nsfwcaps.mining.ranking import Block, Keys
from nsfwcaps.mining.selection import Mask
from nsfwcaps.vectors.exact import exact_sims
from nsfwcaps.vectors.index import Rows, Single
from nsfwcaps.vectors.source import VectorSource
from nsfwcaps.vectors.unit import as_cosines


@dataclass(frozen=True, kw_only=True)
class Copies:
    """What counts as a target once more."""

    safe: VectorSource
    """Safe rows `[s, d]`."""
    cosine: float
    """Cosine with the target from which on a candidate is a near-duplicate of it."""
    pictures: Keys | None = None
    """Equal `[s]` for safe rows of one picture, 0 without one; None: there are no pictures."""

    def among(self, targets: Rows, others: Rows, asked: Mask) -> Mask:
        """Mask `[m, w]` of the asked candidates that repeat their target `[m]`."""
        found: Mask = np.zeros(others.shape, dtype=bool)
        if self.pictures is not None:
            own = self.pictures[targets][:, None]
            found = asked & (own > 0) & (self.pictures[others] == own)
            asked = asked & ~found
        query, place = np.nonzero(asked)
        distinct, spot = np.unique(targets, return_inverse=True)
        sims = exact_sims(self.safe.take(distinct), self.safe, spot[query], others[query, place])
        found[query, place] = as_cosines(sims / self.safe.squared_length) >= np.float32(self.cosine)
        return found


def margins(block: Block, pairs: PairBlock, copies: Copies) -> Single:
    """Score `[m]` of each pair minus that of its next other target; NaN without one."""
    out = np.full(len(pairs.targets), np.nan, dtype=np.float32)
    following = _following(block, pairs, copies)
    has = np.flatnonzero(following >= 0)
    out[has] = pairs.scores[has] - block.beside.scores[pairs.query[has], following[has]]
    return out


def _following(block: Block, pairs: PairBlock, copies: Copies) -> Rows:
    """Place `[m]` among `block.beside` of the next candidate that is another target, or -1."""
    beside = block.beside
    depth = beside.rows.shape[1]
    # Where targets are ranked candidates, the next one is after them; a partner is beside all.
    start = pairs.place + 1 if beside is block.ranked else np.zeros_like(pairs.place)
    found = np.full(len(start), -1)
    pending, width = np.arange(len(start)), 1
    while len(pending):
        step, open_pairs = max(1, beside.rows.size // width), []
        for low in range(0, len(pending), step):
            part = pending[low : low + step]
            places = start[part, None] + np.arange(width)
            query, spot = pairs.query[part, None], np.minimum(places, depth - 1)
            rows = beside.rows[query, spot]
            usable = (places < depth) & beside.usable[query, spot]
            other = usable & (rows != pairs.targets[part, None])
            other &= ~copies.among(pairs.targets[part], rows, other)
            hit = other.any(axis=1)
            found[part[hit]] = start[part[hit]] + other[hit].argmax(axis=1)
            # Unusable candidates are at the end of their row.
            open_pairs.append(part[~hit & usable[:, -1]])
        pending = np.concatenate(open_pairs)
        start[pending] += width
        width = min(2 * width, depth)
    return found
