"""Queries of one direction: distinct items, and the right candidates of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nsfwcaps.evaluation.inputs import MISSING
from nsfwcaps.evaluation.outcome import Names, Units
from nsfwcaps.evaluation.units import units_of
from nsfwcaps.metrics.answer_sets import Rows, Sets, sets_of


@dataclass(frozen=True, kw_only=True)
class PartnerSets:
    """A second right answer for the same queries."""

    right: Sets
    """Partners of each query; empty for a query without."""
    asked: Rows
    """Numbers `[r]` of the queries that have one."""
    units: Units
    """Resampling unit `[r]` of each of them, as they share partners."""


@dataclass(frozen=True, kw_only=True)
class Queries:
    """Rows `[q]` of the query items, ascending, and a set of candidate rows for each."""

    items: Rows
    right: Sets
    equivalent: Sets | None
    """Right candidates and their equivalents; None if the data has no equivalents."""
    partners: PartnerSets | None
    """None if no query has a partner."""
    categories: Names | None
    """Category `[q]` of the first pair with the item."""
    units: Units
    """Resampling unit `[q]` of each query."""

    def __len__(self) -> int:
        return len(self.items)


def queries_of(
    asked: Rows,
    answers: Rows,
    *,
    equivalents: Sets | None = None,
    categories: Names | None = None,
    asked_ties: Sequence[Rows] = (),
    answer_ties: Sequence[Rows] = (),
    partners: Rows | None = None,
    partner_ties: Sequence[Rows] = (),
) -> Queries:
    """Group pairs by query item `asked` `[p]`; the item `answers` `[p]` is right for it.

    Pairs that lack either (`MISSING`) are left out. All arguments are per pair. Ties are further
    items, such as the caption of an image: pairs that share one are resampled together. `partners`
    are right in a figure of their own.
    """
    there = np.flatnonzero((asked != MISSING) & (answers != MISSING))
    items, first, number = np.unique(asked[there], return_index=True, return_inverse=True)
    query_of = np.full(len(asked), MISSING)
    query_of[there] = number
    units = units_of(asked, answers, *asked_ties, *answer_ties)
    of_partners = None
    if partners is not None:
        tied = units_of(asked, partners, *asked_ties, *partner_ties)
        of_partners = _partners(query_of, partners, tied, len(items))
    return Queries(
        items=items,
        right=sets_of(number, answers[there], len(items)),
        equivalent=None if equivalents is None else _joined(query_of, answers, equivalents, items),
        partners=of_partners,
        categories=None if categories is None else categories[there[first]],
        units=units[there[first]],
    )


def _partners(query_of: Rows, partners: Rows, units: Units, queries: int) -> PartnerSets | None:
    both = np.flatnonzero((query_of != MISSING) & (partners != MISSING))
    if not len(both):
        return None
    asked, first = np.unique(query_of[both], return_index=True)
    return PartnerSets(
        right=sets_of(query_of[both], partners[both], queries),
        asked=asked,
        units=units[both[first]],
    )


def _joined(query_of: Rows, answers: Rows, equivalents: Sets, items: Rows) -> Sets:
    """Merge the answers `[p]` and equivalents of each query's pairs."""
    owners = np.concatenate([query_of, query_of[equivalents.owners]])
    rows = np.concatenate([answers, equivalents.rows])
    known = owners != MISSING
    return sets_of(owners[known], rows[known], len(items))
