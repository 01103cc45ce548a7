"""From candidates to pairs: ranking, hub caps and their statistics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsfwcaps.mining.selection import (
    Ranked,
    flat,
    hub_counts,
    hub_statistics,
    open_cutoffs,
    rank,
    take,
)


def ranked(rows, sims, penalties=None, usable=None, first=0) -> Ranked:  # type: ignore[no-untyped-def]
    rows, sims = np.array(rows), np.array(sims, dtype=np.float32)
    penalties = np.zeros_like(sims) if penalties is None else np.array(penalties, dtype=np.float32)
    usable = np.ones(rows.shape, bool) if usable is None else np.array(usable)
    return rank(first, rows, sims, penalties, usable)


def test_rank_orders_by_cosine_less_penalty_with_the_unusable_last() -> None:
    got = ranked(
        [[4, 2, 9, 1]],
        [[0.9, 0.8, 0.7, 0.6]],
        penalties=[[0.5, 0.0, 0.0, 0.25]],
        usable=[[True, True, False, True]],
    )
    assert got.rows.tolist() == [[2, 4, 1, 9]]
    np.testing.assert_allclose(got.scores, [[0.8, 0.4, 0.35, -np.inf]], rtol=1e-6)
    np.testing.assert_allclose(got.sims, [[0.8, 0.9, 0.6, 0.7]], rtol=1e-6)
    assert got.usable.tolist() == [[True, True, True, False]]


def test_rank_breaks_ties_by_row() -> None:
    assert ranked([[9, 3, 5]], [[0.5, 0.5, 0.75]]).rows.tolist() == [[5, 3, 9]]


def test_rank_takes_absent_candidates_as_they_come_from_an_index() -> None:
    got = ranked([[3, -1]], [[0.5, -np.inf]], usable=[[True, False]])
    assert got.rows.tolist() == [[3, -1]]
    assert got.usable.tolist() == [[True, False]]


def test_take_gives_the_k_best_and_never_pads() -> None:
    got = ranked(
        [[1, 2, 3], [1, 2, 3], [1, 2, 3]],
        [[0.9, 0.8, 0.7]] * 3,
        usable=[[True, True, True], [True, False, False], [False, False, False]],
    )
    chosen = take(got, open_cutoffs(4), 2)
    assert chosen.tolist() == [[True, True, False], [True, False, False], [False, False, False]]


def test_flat_names_unsafe_rows_over_the_whole_table() -> None:
    got = ranked([[5, 6], [7, 8]], [[0.5, 0.25], [0.75, 0.5]], first=100)
    unsafe, target, score = flat(got, np.array([[True, False], [True, True]]))
    assert unsafe.tolist() == [100, 101, 101]
    assert target.tolist() == [5, 7, 8]
    assert score.tolist() == [0.5, 0.75, 0.5]


@settings(max_examples=60, deadline=None)
@given(k=st.integers(1, 5), seed=st.integers(0, 10_000))
def test_no_cap_is_every_captions_own_best(k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, 8, size=(6, 9)).astype(np.float32) / 8
    usable = random.random((6, 9)) < 0.5
    block = ranked(np.tile(np.arange(9), (6, 1)), scores, usable=usable)
    chosen = take(block, open_cutoffs(9), k)
    for row in range(6):
        best = sorted(np.flatnonzero(usable[row]), key=lambda t: (-scores[row, t], t))[:k]
        assert block.rows[row][chosen[row]].tolist() == best


def test_hub_counts_add_up_over_parts() -> None:
    parts = [np.array([0, 2, 2]), np.array([], dtype=np.int64), np.array([4, 2])]
    assert hub_counts(parts, 6).tolist() == [1, 0, 3, 0, 1, 0]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Gini of (1, 3): mean absolute difference 1 over twice the mean 2.
        ([3, 0, 1], (2, 3, 0.75, 0.25)),
        ([2, 2, 2, 2], (4, 2, 0.25, 0.0)),
        ([0, 0], (0, 0, 0.0, 0.0)),
        ([7], (1, 7, 1.0, 0.0)),
        # (1, 1, 1, 9): sum of |x - y| over all 16 ordered pairs is 48; 48 / (2 · 16 · 3) = 0.5.
        ([1, 9, 1, 1], (4, 9, 0.75, 0.5)),
    ],
)
def test_hub_statistics_by_hand(counts: list[int], expected: tuple[float, ...]) -> None:
    names = ("distinct_targets", "largest_hub", "largest_share", "gini")
    assert hub_statistics(np.array(counts)) == dict(zip(names, expected, strict=True))
