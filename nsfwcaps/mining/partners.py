"""Ranking for sets that come paired: the partner is the only target.

The search still runs, because the margin and the density of a pair depend on the other candidates.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nsfwcaps.mining.candidates import Candidates
from nsfwcaps.mining.ranking import Block, TextKeys, local_density, of_other_text
from nsfwcaps.mining.selection import Mask, rank
from nsfwcaps.mining.space import Space
from nsfwcaps.vectors.index import Rows, Single
from nsfwcaps.vectors.nearest import Neighbours, with_exact_sims


class PartnerRanker:
    """Offers every unsafe caption only its partner; other candidates set margin and density."""

    def __init__(
        self,
        space: Space,
        candidates: Candidates,
        partners: Rows,
        keys: TextKeys,
        *,
        min_similarity: float | None,
    ) -> None:
        self._space = space
        self._candidates = candidates
        self._partners = partners
        self._keys = keys
        self._floor = min_similarity if min_similarity is not None else -np.inf

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of unsafe captions in order."""
        for first, found in self._candidates:
            stop = first + len(found.rows)
            queries = self._space.unsafe.read(first, stop)
            pair = with_exact_sims(queries, self._space.safe, self._partners[first:stop, None])
            named: Mask = pair.rows >= 0
            other_text = of_other_text(self._keys, first, pair.rows)
            similar: Mask = other_text & (pair.sims >= self._floor)
            others = of_other_text(self._keys, first, found.rows)
            yield Block(
                ranked=rank(first, pair.rows, pair.sims, np.zeros_like(pair.sims), similar),
                left={
                    "no_partner": named[:, 0],
                    "only_its_own_text": other_text[:, 0],
                    "below_min_similarity": similar[:, 0],
                },
                margins=_margins(pair, found, others),
                density=local_density(found.sims, others),
            )


def _margins(pair: Neighbours, found: Neighbours, others: Mask) -> Single:
    """Cosine to the partner minus that to the nearest other safe caption `[q, 1]`.

    Negative if another caption is nearer; NaN if there is no other.
    """
    beside = others & (found.rows != pair.rows)
    nearest = np.take_along_axis(found.sims, beside.argmax(axis=1)[:, None], axis=1)
    gap: Single = np.where(beside.any(axis=1)[:, None], pair.sims - nearest, np.nan)
    return gap
