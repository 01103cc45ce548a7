"""Queries are distinct items; what any of their pairs holds is right."""

from __future__ import annotations

import numpy as np

from nsfwcaps.evaluation.inputs import MISSING
from nsfwcaps.evaluation.tasks.queries import queries_of
from nsfwcaps.metrics.answer_sets import Sets, sets_of


def members(sets: Sets) -> list[list[int]]:
    return [sets[which].tolist() for which in range(len(sets))]


def test_pairs_are_gathered_by_who_asks() -> None:
    found = queries_of(
        np.array([7, 2, 7, 2, 4]),
        np.array([1, 0, 3, 0, 2]),
        equivalents=None,
        categories=np.array(["weapon", "fire", "theft", "fire", "knife"]),
    )
    assert found.items.tolist() == [2, 4, 7]
    assert members(found.right) == [[0], [2], [1, 3]]
    assert found.equivalent is None
    assert found.categories is not None
    assert found.categories.tolist() == ["fire", "knife", "weapon"]  # the first of its pairs


def test_equivalents_of_all_pairs_of_a_query_count_and_its_own_too() -> None:
    found = queries_of(
        np.array([5, 3, 5]),
        np.array([0, 1, 2]),
        equivalents=sets_of(np.array([0, 0, 2]), np.array([4, 6, 4]), 3),
        categories=None,
    )
    assert found.equivalent is not None
    assert members(found.equivalent) == [[1], [0, 2, 4, 6]]
    assert members(found.right) == [[1], [0, 2]]


def test_pairs_without_either_item_ask_nothing() -> None:
    found = queries_of(
        np.array([0, MISSING, 2, 3]),
        np.array([1, 1, MISSING, 0]),
        equivalents=sets_of(np.array([1, 2, 3]), np.array([5, 6, 7]), 4),
        categories=np.array(["a", "b", "c", "d"]),
    )
    assert found.items.tolist() == [0, 3]
    assert found.equivalent is not None
    assert members(found.equivalent) == [[1], [0, 7]]
    assert found.categories is not None
    assert found.categories.tolist() == ["a", "d"]
    nothing = queries_of(np.array([MISSING]), np.array([0]), equivalents=None, categories=None)
    assert len(nothing) == 0
