"""From candidates to pairs: ranking, hub caps and their statistics."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsfwcaps.mining.hub_cap import cap_hubs
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


def test_cap_sends_the_weaker_caption_to_its_next_best() -> None:
    """Three unsafe captions want target 0; with a cap of one only the closest keeps it."""
    block = ranked(
        [[0, 1], [0, 1], [0, 2]],
        [[0.9, 0.3], [0.8, 0.7], [0.6, 0.1]],
    )
    cutoffs = cap_hubs([block], 3, k=1, cap=1)
    chosen = take(block, cutoffs, 1)
    assert block.rows[chosen].tolist() == [0, 1, 2]
    assert chosen.tolist() == [[True, False], [False, True], [False, True]]


def test_cap_can_leave_a_caption_without_a_target() -> None:
    block = ranked([[0], [0]], [[0.5], [0.75]])
    assert take(block, cap_hubs([block], 1, k=1, cap=1), 1).tolist() == [[False], [True]]


def test_equal_scores_at_the_cap_go_to_the_lower_unsafe_row() -> None:
    block = ranked([[0, 1], [0, 1], [0, 1]], [[0.5, 0.25]] * 3)
    chosen = take(block, cap_hubs([block], 2, k=1, cap=1), 1)
    assert block.rows[chosen].tolist() == [0, 1]
    assert chosen.any(axis=1).tolist() == [True, True, False]


def test_cap_without_candidates_ends() -> None:
    block = ranked([[0, 1]], [[0.5, 0.25]], usable=[[False, False]])
    cutoffs = cap_hubs([block], 2, k=1, cap=1)
    assert not take(block, cutoffs, 1).any()


def greedy(scores: np.ndarray, usable: np.ndarray, k: int, cap: int) -> set[tuple[int, int]]:
    """Take all pairs by descending score, ties by unsafe row and target, where both have room."""
    pairs = [(-scores[u, t], u, t) for u, t in zip(*np.nonzero(usable), strict=True)]
    held, shared = np.zeros(len(scores), int), np.zeros(scores.shape[1], int)
    taken = set()
    for _, u, t in sorted(pairs):
        if held[u] < k and shared[t] < cap:
            taken.add((int(u), int(t)))
            held[u] += 1
            shared[t] += 1
    return taken


@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 8)),
    k=st.integers(1, 4),
    cap=st.integers(1, 4),
    levels=st.sampled_from([3, 10, 1000]),
    split=st.integers(1, 12),
    seed=st.integers(0, 10_000),
)
def test_cap_equals_taking_all_pairs_by_descending_score(
    shape: tuple[int, int], k: int, cap: int, levels: int, split: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    unsafe, targets = shape
    # Few levels make many ties; a level is exact in single precision.
    scores = random.integers(0, levels, size=shape).astype(np.float32) / 1024
    usable = random.random(shape) < 0.8
    everyone = np.tile(np.arange(targets), (unsafe, 1))

    def blocks() -> Iterator[Ranked]:
        for first in range(0, unsafe, split):
            part = slice(first, first + split)
            yield rank(
                first, everyone[part], scores[part], np.zeros_like(scores[part]), usable[part]
            )

    cutoffs = cap_hubs(blocks(), targets, k=k, cap=cap)
    taken = set()
    for block in blocks():
        rows, columns, _ = flat(block, take(block, cutoffs, k))
        taken |= set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert taken == greedy(scores, usable, k, cap)


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
