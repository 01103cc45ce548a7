"""A floor on the cosine sets pairs aside, and moves nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import nsfwcaps
from nsfwcaps.api.mined import Mined
from nsfwcaps.vectors.source import Half

RANKS = ("cosine", "csls", "inverted-softmax")
FLOORS = (-1.0, 0.35, 0.6, 1.0)

Pair = tuple[Any, ...]


def settings() -> Iterator[dict[str, Any]]:
    """Every combination of what chooses targets."""
    axes: dict[str, tuple[Any, ...]] = {
        "rank": RANKS,
        "k": (1, 3),
        "hub_cap": (None, 1),
        "reciprocal": (None, 4),
        "skip": ("identical", "near-identical"),
    }
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def captions(side: str, rows: int) -> list[str]:
    """Every fifth text is on both sides: as it is, or in other letters."""
    other = str.upper if side == "safe" else str
    return [
        other(f"a table in room {n}") if n % 10 == 0 else f"a table in room {n}"
        if n % 5 == 0
        else f"{side} {n}"
        for n in range(rows)
    ]  # fmt: skip


@pytest.fixture
def vectors(unit_rows: Callable[..., Half]) -> tuple[Half, Half]:
    unsafe, safe = unit_rows(40, 6, seed=1), unit_rows(55, 6, seed=2)
    safe[::5] = safe[1::5]  # equal cosines
    unsafe[:40:5] = safe[:40:5]  # at one, which halves exceed
    return unsafe, safe


def mined(vectors: tuple[Half, Half], how: dict[str, Any], floor: float | None) -> Mined:
    texts = {f"{side}_captions": captions(side, n) for side, n in (("unsafe", 40), ("safe", 55))}
    return nsfwcaps.mine(*vectors, **texts, **how, min_similarity=floor)  # type: ignore[arg-type]


def pairs(found: Mined) -> list[Pair]:
    """Every cell of every pair but its `hub_count`."""
    cells = (found.rows, found.cosines, found.scores, found.margins)
    return [
        (
            row,
            rank,
            *(values[row, rank].tobytes() for values in cells),
            found.density[row].tobytes(),
        )
        for row, rank in zip(*np.nonzero(found.rows >= 0), strict=True)
    ]


@pytest.mark.parametrize("how", settings(), ids=lambda how: "-".join(map(str, how.values())))
def test_pairs_are_those_without_a_floor_that_reach_it(
    vectors: tuple[Half, Half], how: dict[str, Any]
) -> None:
    plain = mined(vectors, how, None)
    everything = pairs(plain)
    cosines = {(row, rank): plain.cosines[row, rank] for row, rank, *_ in everything}
    for floor in FLOORS:
        found = mined(vectors, how, floor)
        wanted = [pair for pair in everything if cosines[pair[:2]] >= np.float32(floor)]
        assert pairs(found) == wanted
        uses = Counter(plain.rows[row, rank] for row, rank, *_ in wanted)
        assert found.hub_counts.tolist() == [uses[row] for row in range(55)]
        assert found.facts["hubs"]["largest_hub"] == max(uses.values(), default=0)
        assert found.facts["pairs_below_min_similarity"] == len(everything) - len(wanted)
        lost = {row for row, *_ in everything} - {row for row, *_ in wanted}
        assert found.reasons == plain.reasons | dict.fromkeys(lost, "below_min_similarity")


def test_the_floor_of_candidates_moves_a_row_to_a_target_that_reaches_it() -> None:
    """The hub is nearer to both rows, and its penalty sends the second to the far one."""
    unsafe = [[1.0, 0.0], [0.8, 0.6]]
    safe = [[0.96, 0.28], [0.0, 1.0]]
    how = {"rank": "inverted-softmax", "beta": 0.1}
    assert nsfwcaps.mine(unsafe, safe, **how).rows.tolist() == [[0], [1]]
    kept = nsfwcaps.mine(unsafe, safe, **how, min_similarity=0.7)
    assert kept.rows.tolist() == [[0], [-1]]
    assert kept.reasons == {1: "below_min_similarity"}
    moved = nsfwcaps.mine(unsafe, safe, **how, min_candidate_similarity=0.7)
    assert moved.rows.tolist() == [[0], [0]]
    none = nsfwcaps.mine(unsafe, safe, **how, min_candidate_similarity=0.999)
    assert none.reasons == dict.fromkeys((0, 1), "below_min_candidate_similarity")


def test_ranks_keep_their_numbers() -> None:
    """The second target is the nearest; the first, of a lower cosine, is set aside."""
    unsafe = [[1.0, 0.0], [0.8, 0.6]]
    safe = [[0.96, 0.28], [0.0, 1.0]]
    how = {"rank": "inverted-softmax", "beta": 0.1, "k": 2}
    assert nsfwcaps.mine(unsafe, safe, **how).rows.tolist() == [[0, 1], [1, 0]]
    found = nsfwcaps.mine(unsafe, safe, **how, min_similarity=0.7)
    assert found.rows.tolist() == [[0, -1], [-1, 0]]
    assert np.isnan(found.cosines).tolist() == [[False, True], [True, False]]
    assert (found.reasons, found.facts["pairs_missing"]) == ({}, 2)
