"""Hub cap: both sides keep their best, the same as taking all pairs by descending score."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsfwcaps.mining.hub_cap import Scratch, cap_hubs
from nsfwcaps.mining.selection import Ranked, flat, rank, take


def ranked(rows, sims, penalties=None, usable=None, first=0) -> Ranked:  # type: ignore[no-untyped-def]
    rows, sims = np.array(rows), np.array(sims, dtype=np.float32)
    penalties = np.zeros_like(sims) if penalties is None else np.array(penalties, dtype=np.float32)
    usable = np.ones(rows.shape, bool) if usable is None else np.array(usable)
    return rank(first, rows, sims, penalties, usable)


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


def scratch() -> BinaryIO:
    return cast(BinaryIO, tempfile.TemporaryFile())


@pytest.mark.parametrize("where", [None, scratch])
@pytest.mark.parametrize(("k", "cap"), [(1, 4), (1, 7), (3, 10), (3, 13)])
def test_long_lists_are_read_on_from_where_they_were_left(
    where: Scratch | None, k: int, cap: int
) -> None:
    """One target is wanted by all, then the next: lists are gone through far beyond a window."""
    random = np.random.default_rng(k * cap)
    unsafe, targets = 120, 45
    scores = np.linspace(1, 0, targets) + 0.02 * random.standard_normal((unsafe, targets))
    scores = scores.astype(np.float32)
    usable = random.random(scores.shape) < 0.9
    everyone = np.tile(np.arange(targets), (unsafe, 1))
    zeros = np.zeros_like(scores)
    blocks = [
        rank(low, everyone[at], scores[at], zeros[at], usable[at])
        for low in range(0, unsafe, 50)
        for at in [slice(low, low + 50)]
    ]
    cutoffs = cap_hubs(blocks, targets, k=k, cap=cap, scratch=where)
    taken = set()
    for block in blocks:
        rows, columns, _ = flat(block, take(block, cutoffs, k))
        taken |= set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert taken == greedy(scores, usable, k, cap)


def test_blocks_are_ranked_once() -> None:
    block, asked = ranked([[0, 1]] * 6, [[0.9, 0.3]] * 6), []

    def blocks() -> Iterator[Ranked]:
        asked.append(1)
        yield block

    cutoffs = cap_hubs(blocks(), 2, k=1, cap=2)
    assert asked == [1]
    assert take(block, cutoffs, 1).sum(axis=0).tolist() == [2, 2]
    assert cutoffs.rows.tolist() == [1, 3]


def test_no_captions_leave_all_targets_open() -> None:
    assert cap_hubs([], 3, k=1, cap=1).scores.tolist() == [-np.inf] * 3
