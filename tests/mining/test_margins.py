"""Margins: the gap to the next candidate that is another target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nsfwcaps.mining.margins import Copies, margins
from nsfwcaps.mining.pair_block import pairs_of
from nsfwcaps.mining.ranking import Block
from nsfwcaps.mining.selection import Mask, open_cutoffs, rank
from nsfwcaps.vectors import exact
from nsfwcaps.vectors.array import VectorArray
from nsfwcaps.vectors.index import Rows, Single
from nsfwcaps.vectors.source import Half

Values = list[list[float]]


def block_of(rows: Any, sims: Any, penalties: Any = 0.0, usable: Any = True) -> Block:
    rows, sims = np.array(rows), np.array(sims, dtype=np.float32)
    filled = [np.broadcast_to(np.array(value), rows.shape) for value in (penalties, usable)]
    ranked = rank(0, rows, sims, filled[0].astype(np.float32), filled[1].astype(np.bool_))
    return Block(ranked=ranked, left={}, beside=ranked, density=np.zeros(len(rows), np.float32))


def margins_of(block: Block, copies: Copies, k: int = 1) -> list[float | None]:
    pairs = pairs_of(block, open_cutoffs(copies.safe.rows), k, None)
    found = margins(block, pairs, copies)
    return [None if np.isnan(value) else value for value in found.tolist()]


def apart(rows: int) -> VectorArray:
    return VectorArray(np.eye(rows, dtype=np.float16))


def test_margin_is_the_gap_to_the_next_usable_candidate() -> None:
    block = block_of([[1, 2, 3, 4]], [[0.75, 0.625, 0.375, 0.25]], usable=[[1, 1, 1, 0]])
    assert margins_of(block, Copies(safe=apart(5), cosine=0.5), k=4) == [0.125, 0.25, None]


def test_margin_counts_the_penalty() -> None:
    block = block_of([[1, 2]], [[0.75, 0.5]], penalties=[[0.25, 0.125]])
    assert margins_of(block, Copies(safe=apart(3), cosine=0.5)) == [0.125]


def test_a_near_duplicate_of_the_target_is_no_alternative() -> None:
    safe = VectorArray(np.float16([[1, 0], [0.75, 0.5], [0, 1]]))
    block = block_of([[0, 1, 2]], [[0.75, 0.625, 0.25]])
    assert margins_of(block, Copies(safe=safe, cosine=0.75)) == [0.5], "at the border"
    assert margins_of(block, Copies(safe=safe, cosine=0.751)) == [0.125]


def test_another_caption_of_the_target_s_picture_is_no_alternative() -> None:
    block = block_of([[0, 1, 2, 3]], [[0.75, 0.625, 0.25, 0.125]])
    same = Copies(safe=apart(4), cosine=0.9, pictures=np.array([7, 7, 0, 0], np.uint64))
    assert margins_of(block, same) == [0.5]
    assert margins_of(block, same, k=3) == [0.5, 0.375, 0.125], "no picture is no picture's copy"


def test_nothing_but_copies_is_no_margin() -> None:
    safe = VectorArray(np.ones((40, 1), dtype=np.float16))
    block = block_of([[*range(40)]], [np.linspace(0.9, 0.1, 40)])
    assert margins_of(block, Copies(safe=safe, cosine=0.9)) == [None]


@pytest.mark.parametrize("cosine", [0.3, 0.6, 0.9, np.inf])
@pytest.mark.parametrize("pictured", [False, True])
@pytest.mark.parametrize("host_pairs", [5, 1024])
def test_the_walk_finds_what_looking_at_every_candidate_finds(
    unit_rows: Callable[..., Half],
    monkeypatch: pytest.MonkeyPatch,
    cosine: float,
    pictured: bool,
    host_pairs: int,
) -> None:
    monkeypatch.setattr(exact, "_HOST_PAIRS", host_pairs)
    random = np.random.default_rng(0)
    safe = unit_rows(60, 2, seed=3)  # narrow: many are near each other
    rows = np.stack([random.permutation(60)[:37] for _ in range(50)])
    sims = -np.sort(-random.random(rows.shape), axis=1)
    block = block_of(rows, sims, random.random(rows.shape) / 4, random.random(rows.shape) < 0.8)
    pictures = random.integers(0, 9, 60).astype(np.uint64) if pictured else None
    copies = Copies(safe=VectorArray(safe), cosine=cosine, pictures=pictures)
    expected = by_hand(block.ranked.rows, block.ranked.scores, block.ranked.usable, safe, copies)
    assert margins_of(block, copies, k=2) == expected
    if cosine < 1:
        plain = Copies(safe=VectorArray(safe), cosine=np.inf)
        assert sum(a != b for a, b in zip(expected, margins_of(block, plain, k=2), strict=True)) > 9


def by_hand(
    rows: Rows, scores: Single, usable: Mask, safe: Half, copies: Copies
) -> list[float | None]:
    sims = safe.astype(np.float64) @ safe.astype(np.float64).T
    out: list[float | None] = []
    for query in range(len(rows)):
        for place in range(2):
            target, margin = rows[query, place], None
            for later in range(place + 1, rows.shape[1]):
                other = rows[query, later]
                same = copies.pictures is not None and (
                    copies.pictures[target] == copies.pictures[other] > 0
                )
                if usable[query, later] and not same and sims[target, other] < copies.cosine:
                    margin = float(scores[query, place] - scores[query, later])
                    break
            out.append(margin)
    return out
