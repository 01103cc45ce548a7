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
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.nearest import with_exact_sims


class PartnerRanker:
    """Offers every unsafe caption only its partner; other candidates set margin and density."""

    def __init__(
        self,
        space: Space,
        candidates: Candidates,
        partners: Rows,
        keys: TextKeys,
    ) -> None:
        self._space = space
        self._candidates = candidates
        self._partners = partners
        self._keys = keys

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of unsafe captions in order."""
        for first, found in self._candidates:
            stop = first + len(found.rows)
            queries = self._space.unsafe.read(first, stop)
            pair = with_exact_sims(queries, self._space.safe, self._partners[first:stop, None])
            named: Mask = pair.rows >= 0
            other_text = of_other_text(self._keys, first, pair.rows)
            others = of_other_text(self._keys, first, found.rows)
            zeros = np.zeros_like(pair.sims)
            yield Block(
                ranked=rank(first, pair.rows, pair.sims, zeros, other_text),
                left={"no_partner": named[:, 0], "only_its_own_text": other_text[:, 0]},
                beside=rank(first, found.rows, found.sims, np.zeros_like(found.sims), others),
                density=local_density(found.sims, others),
            )
