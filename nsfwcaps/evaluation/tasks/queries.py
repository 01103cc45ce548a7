"""The queries of one direction: distinct items, and which candidates are right for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nsfwcaps.evaluation.inputs import MISSING
from nsfwcaps.evaluation.outcome import Names
from nsfwcaps.metrics.answer_sets import Rows, Sets, sets_of


@dataclass(frozen=True, kw_only=True)
class Queries:
    """Rows `[q]` of the items that ask, ascending, and a set of rows of candidates for each."""

    items: Rows
    right: Sets
    equivalent: Sets | None
    """Right ones and their equivalents; None where the data names none."""
    categories: Names | None
    """Category `[q]`: that of the first pair that holds the item."""

    def __len__(self) -> int:
        return len(self.items)


def queries_of(
    asked: Rows, answers: Rows, *, equivalents: Sets | None, categories: Names | None
) -> Queries:
    """Gather pairs by the item that asks `[p]`; the item that answers `[p]` is right for it.

    Pairs that lack either (`MISSING`) are left out. Equivalents and categories are the pairs'.
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
    """The answers `[p]` and equivalents of the pairs of each query."""
    owners = np.concatenate([query_of, query_of[equivalents.owners]])
    rows = np.concatenate([answers, equivalents.rows])
    known = owners != MISSING
    return sets_of(owners[known], rows[known], len(items))
