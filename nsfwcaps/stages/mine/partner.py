"""mine, in the middle, for sets that are paired already: the partner is the one target.

The search is made all the same: its candidates say how close other safe captions are, and so what
margin and density of a pair are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.errors import InputError
from nsfwcaps.mining.selection import Mask, Ranked, rank
from nsfwcaps.stages.mine.partners import caption_ids, partner_names, safe_rows
from nsfwcaps.stages.mine.rank import Block, local_density, text_keys
from nsfwcaps.stages.mine.search import Candidates, Search
from nsfwcaps.vectors.index import Rows, Single
from nsfwcaps.vectors.nearest import Neighbours, with_exact_sims


def partner_rows(ingest: StageRecord, embed: StageRecord) -> Rows:
    """Safe row `[u]` of every unsafe caption's partner; −1 where it has none.

    Raises:
        InputError: no unsafe caption has one.
    """
    names = partner_names(ingest, np.concatenate(list(caption_ids(embed, "unsafe"))))
    rows = safe_rows(embed, names)
    if (rows < 0).all():
        raise InputError(
            f"mine: pairing=partner, and of {len(names)} unsafe captions {(names != b'').sum()} "
            "name the safe caption that they came with and none of these is in the safe pool; give "
            "ingest the pool of these, or name the column with --partner-column"
        )
    return rows


class PartnerRanker:
    """Offers every unsafe caption its partner alone, and reads what is beside it."""

    def __init__(self, search: Search, candidates: Candidates, partners: Rows) -> None:
        self._search = search
        self._candidates = candidates
        self._partners = partners
        self._safe_keys = text_keys(search.safe, search.settings.skip)
        self._unsafe_keys = text_keys(search.unsafe, search.settings.skip)

    def ranked(self) -> Iterator[Ranked]:
        """Partners alone."""
        return (block.ranked for block in self.blocks())

    def blocks(self) -> Iterator[Block]:
        """Take one block of unsafe captions after the other."""
        floor = self._search.settings.min_similarity
        for first, found in self._candidates:
            stop = first + len(found.rows)
            queries = self._search.unsafe.read(first, stop)
            pair = with_exact_sims(queries, self._search.safe, self._partners[first:stop, None])
            own = self._unsafe_keys[first:stop, None]
            named: Mask = pair.rows >= 0
            other_text: Mask = named & (self._safe_keys[pair.rows] != own)
            similar: Mask = other_text & (pair.sims >= (floor if floor is not None else -np.inf))
            others: Mask = (found.rows >= 0) & (self._safe_keys[found.rows] != own)
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
    """Cosine to the partner less that to the nearest other safe caption `[q, 1]`.

    Below zero where another one is nearer; NaN where there is no other.
    """
    beside = others & (found.rows != pair.rows)
    nearest = np.take_along_axis(found.sims, beside.argmax(axis=1)[:, None], axis=1)
    gap: Single = np.where(beside.any(axis=1)[:, None], pair.sims - nearest, np.nan)
    return gap
