"""Similarities of pairs of rows."""

from __future__ import annotations

import numpy as np
import pytest

from nsfwcaps.metrics import similarities
from nsfwcaps.metrics.similarities import Vectors, pair_similarities


def rows(seed: int, count: int) -> Vectors:
    return np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)


def test_pairs_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarities, "BLOCK_ROWS", 3)
    one, other = rows(0, 4), rows(1, 6)
    one_of, other_of = np.array([0, 3, 3, 1, 2, 0, 0]), np.array([5, 0, 1, 1, 2, 4, 5])
    expected = (one.astype(np.float64) @ other.astype(np.float64).T)[one_of, other_of]
    np.testing.assert_allclose(pair_similarities(one, one_of, other, other_of), expected)
