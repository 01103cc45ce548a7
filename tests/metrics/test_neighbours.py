"""Recall of neighbours, by hand."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from nsfwcaps.metrics import neighbours


@pytest.mark.parametrize(
    ("found", "share"),
    [
        ([[1, 2], [3, 4]], 1.0),
        ([[2, 1], [4, 3]], 1.0),  # in any order
        ([[1, 9], [9, 8]], 0.25),
        ([[-1, -1], [3, -1]], 0.25),  # −1: the index found fewer
        ([[3, 4], [1, 2]], 0.0),  # of the other query
    ],
)
def test_recall_is_the_share_of_true_neighbours(found: list[list[int]], share: float) -> None:
    assert neighbours.recall_at(np.array([[1, 2], [3, 4]]), np.array(found)) == share


def test_examples_hold() -> None:
    assert doctest.testmod(neighbours).failed == 0
