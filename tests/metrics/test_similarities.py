"""Similarities in blocks, over one array or two, and of pairs of rows."""

from __future__ import annotations

import numpy as np
import pytest

from nsfwcaps.metrics import similarities
from nsfwcaps.metrics.similarities import Vectors, pair_similarities, similarity_blocks


def rows(seed: int, count: int) -> Vectors:
    return np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)


@pytest.mark.parametrize(("block_rows", "block_values"), [(1024, 2**25), (3, 2**25), (1024, 20)])
def test_blocks_are_the_whole_matrix(
    block_rows: int, block_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarities, "BLOCK_ROWS", block_rows)
    monkeypatch.setattr(similarities, "BLOCK_VALUES", block_values)
    queries, one, other = rows(0, 8), rows(1, 4), rows(2, 3)
    blocks = [(block, sims.copy()) for block, sims in similarity_blocks(queries, one, other)]
    assert [place for block, _ in blocks for place in range(block.start, block.stop)] == [*range(8)]
    expected = queries.astype(np.float64) @ np.concatenate([one, other]).T
    np.testing.assert_allclose(np.concatenate([sims for _, sims in blocks]), expected, atol=1e-5)


def test_a_block_stays_within_its_values() -> None:
    one_row = np.zeros((10_000, 1), dtype=np.float32)
    widest = max(sims.size for _, sims in similarity_blocks(one_row[:5000], one_row, one_row))
    assert widest == similarities.BLOCK_ROWS * 20_000
    assert widest <= similarities.BLOCK_VALUES


def test_no_queries_give_no_block() -> None:
    assert list(similarity_blocks(rows(0, 0), rows(1, 4))) == []


def test_pairs_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarities, "BLOCK_ROWS", 3)
    one, other = rows(0, 4), rows(1, 6)
    one_of, other_of = np.array([0, 3, 3, 1, 2, 0, 0]), np.array([5, 0, 1, 1, 2, 4, 5])
    expected = (one.astype(np.float64) @ other.astype(np.float64).T)[one_of, other_of]
    np.testing.assert_allclose(pair_similarities(one, one_of, other, other_of), expected)
