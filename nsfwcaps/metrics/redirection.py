"""Ranking unsafe queries over safe and unsafe candidates in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.answer_sets import Rows, Sets
from nsfwcaps.metrics.retrieval import best_ranks, no_safe_nearer
from nsfwcaps.metrics.similarities import Vectors, similarity_blocks


@dataclass(frozen=True, kw_only=True)
class Redirection:
    """Results per query `[q]`."""

    ranks: Rows
    """Best rank of the query's own safe items."""
    closest: Rows | None
    """Best rank if equivalent safe items are right too; None without equivalents."""
    partners: Rows | None
    """Best rank of the query's partners; None without partners."""
    unsafe_first: npt.NDArray[np.bool_]


def redirect(
    queries: Vectors,
    safe: Vectors,
    unsafe: Vectors,
    *,
    right: Sets,
    equivalent: Sets | None = None,
    partners: Sets | None = None,
    own: Rows | None = None,
) -> Redirection:
    """Rank safe items `[s, d]` and unsafe items `[u, d]` together for unsafe queries `[q, d]`.

    Sets hold rows of the safe items; `equivalent` includes those of `right`, `partners` need
    not, and may be empty for some queries, which rank last. `own` `[q]` is the row
    of each query among the unsafe items, if it is one of them; that row is not a candidate.
    """
    ranks = np.empty(len(queries), dtype=np.int64)
    closest = None if equivalent is None else np.empty_like(ranks)
    of_partners = None if partners is None else np.empty_like(ranks)
    first = np.empty(len(queries), dtype=np.bool_)
    for block, sims in similarity_blocks(queries, safe, unsafe):
        if own is not None:
            sims[np.arange(len(sims)), len(safe) + own[block]] = -np.inf
        ranks[block] = best_ranks(sims, right.between(block.start, block.stop))
        if equivalent is not None and closest is not None:
            closest[block] = best_ranks(sims, equivalent.between(block.start, block.stop))
        if partners is not None and of_partners is not None:
            of_partners[block] = best_ranks(sims, partners.between(block.start, block.stop))
        first[block] = no_safe_nearer(sims[:, : len(safe)], sims[:, len(safe) :])
    return Redirection(ranks=ranks, closest=closest, partners=of_partners, unsafe_first=first)
