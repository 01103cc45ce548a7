"""Queries of one direction: distinct items, and the right candidates of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nsfwcaps.evaluation.inputs import MISSING
from nsfwcaps.evaluation.outcome import Names
from nsfwcaps.metrics.answer_sets import Rows, Sets, sets_of


@dataclass(frozen=True, kw_only=True)
class Queries:
    """Rows `[q]` of the query items, ascending, and a set of candidate rows for each."""

    items: Rows
    right: Sets
    equivalent: Sets | None
    """Right candidates and their equivalents; None if the data has no equivalents."""
    categories: Names | None
    """Category `[q]` of the first pair with the item."""

    def __len__(self) -> int:
        return len(self.items)


def queries_of(
    asked: Rows, answers: Rows, *, equivalents: Sets | None, categories: Names | None
) -> Queries:
    """Group pairs by query item `asked` `[p]`; the item `answers` `[p]` is right for it.

    Pairs that lack either (`MISSING`) are left out. Equivalents and categories are per pair.
    """
    there = np.flatnonzero((asked != MISSING) & (answers != MISSING))
    items, first, number = np.unique(asked[there], return_index=True, return_inverse=True)
    query_of = np.full(len(asked), MISSING)
    query_of[there] = number
    return Queries(
        items=items,
        right=sets_of(number, answers[there], len(items)),
        equivalent=None if equivalents is None else _joined(query_of, answers, equivalents, items),
        categories=None if categories is None else categories[there[first]],
    )


def _joined(query_of: Rows, answers: Rows, equivalents: Sets, items: Rows) -> Sets:
    """Merge the answers `[p]` and equivalents of each query's pairs."""
    owners = np.concatenate([query_of, query_of[equivalents.owners]])
    rows = np.concatenate([answers, equivalents.rows])
    known = owners != MISSING
    return sets_of(owners[known], rows[known], len(items))
