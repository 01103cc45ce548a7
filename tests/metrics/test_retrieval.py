"""Ranks against brute force, with ties and over blocks; a collapsed model finds nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.metrics import tiles
from nsfwcaps.metrics.answer_sets import Rows, sets_of
from nsfwcaps.metrics.retrieval import (
    ranks,
    ranks_of_any,
    recall,
    reciprocal_ranks,
    unsafe_first,
)
from nsfwcaps.metrics.similarities import TIE, Vectors


def unit(rows: object) -> Vectors:
    made = np.asarray(rows, dtype=np.float32)
    return (made / np.linalg.norm(made, axis=-1, keepdims=True)).astype(np.float32)


def brute_force(queries: Vectors, candidates: Vectors, targets: Rows) -> list[int]:
    """One query and one candidate at a time, in double precision."""
    out = []
    for query, target in zip(queries.astype(np.float64), targets, strict=True):
        sims = [float(query @ row) for row in candidates.astype(np.float64)]
        others = [sim for row, sim in enumerate(sims) if row != target]
        above = sum(sim > sims[target] + TIE for sim in others)
        equal = sum(abs(sim - sims[target]) <= TIE for sim in others)
        out.append(above + (equal + 1) // 2)
    return out


@given(seed=st.integers(0, 10**6), queries=st.integers(1, 12), candidates=st.integers(1, 12))
def test_ranks_are_those_of_brute_force(seed: int, queries: int, candidates: int) -> None:
    random = np.random.default_rng(seed)
    # Few distinct directions: many ties.
    pool = unit(random.normal(size=(4, 8)))
    asked, offered = pool[random.integers(0, 4, queries)], pool[random.integers(0, 4, candidates)]
    targets = random.integers(0, candidates, queries)
    assert ranks(asked, offered, targets).tolist() == brute_force(asked, offered, targets)


@pytest.mark.parametrize("block", [1, 3, 7, 8, 1024])
def test_blocks_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    queries, candidates = unit(random.normal(size=(8, 16))), unit(random.normal(size=(30, 16)))
    targets = random.integers(0, 30, 8)
    monkeypatch.setattr(tiles, "ROWS", block)
    monkeypatch.setattr(tiles, "COLUMNS", block)
    assert ranks(queries, candidates, targets).tolist() == brute_force(queries, candidates, targets)
    sims = queries.astype(np.float64) @ candidates.astype(np.float64).T
    expected = sims[:, 20:].max(axis=1) > sims[:, :20].max(axis=1)  # no two are as near
    assert unsafe_first(queries, candidates[:20], candidates[20:]).tolist() == expected.tolist()


def test_ranks_by_hand() -> None:
    candidates = unit([[1, 0], [0.8, 0.6], [0, 1], [-1, 0]])
    query = unit([[1, 0]])
    assert [ranks(query, candidates, np.array([row])).tolist() for row in range(4)] == [
        [0],
        [1],
        [2],
        [3],
    ]


@pytest.mark.parametrize(
    ("copies", "rank"), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2)], ids=lambda value: str(value)
)
def test_ties_count_half_and_are_rounded_up(copies: int, rank: int) -> None:
    candidates = unit([[1, 0], *[[1, 0]] * copies, [0, 1]])
    assert ranks(unit([[1, 0.2]]), candidates, np.array([0])).tolist() == [rank]


@pytest.mark.parametrize("width", [32, 384, 512, 768])
@pytest.mark.parametrize("count", [7, 37, 203])
def test_a_model_that_maps_all_to_one_point_finds_nothing(width: int, count: int) -> None:
    """Whatever the rounding of the matrix product, which differs with the place of a row."""
    random = np.random.default_rng(width)
    point, query = unit(random.normal(size=(2, width)))
    everything = np.tile(point, (count, 1))
    for one in (point, query):
        found = ranks(np.tile(one, (count, 1)), everything, np.arange(count))
        assert set(found.tolist()) == {count // 2}
        assert recall(found, 1) == 0


def test_recall_by_hand() -> None:
    found = np.array([0, 0, 3, 9, 10])
    assert recall(found, 1) == pytest.approx(0.4)
    assert recall(found, 4) == pytest.approx(0.6)
    assert recall(found, 10) == pytest.approx(0.8)
    assert np.isnan(recall(np.array([], dtype=np.int64), 1))


@pytest.mark.parametrize("broken", ["query", "target", "other", "all"])
def test_what_is_no_number_is_no_hit(broken: str) -> None:
    query, candidates = unit([[1, 0]]), unit([[1, 0], [0, 1], [0.6, 0.8]])
    if broken in ("query", "all"):
        query[:] = np.nan
    candidates[{"target": [0], "other": [1], "all": [0, 1, 2]}.get(broken, [])] = np.nan
    assert ranks(query, candidates, np.array([0])).tolist()[0] >= 1


@given(seed=st.integers(0, 10**6), queries=st.integers(1, 8), candidates=st.integers(1, 12))
def test_the_best_of_several_is_that_of_brute_force(
    seed: int, queries: int, candidates: int
) -> None:
    random = np.random.default_rng(seed)
    pool = unit(random.normal(size=(4, 8)))
    asked, offered = pool[random.integers(0, 4, queries)], pool[random.integers(0, 4, candidates)]
    members = random.random((queries, candidates)) < 0.3
    right = sets_of(*np.nonzero(members), queries)
    expected = []
    for query, named in zip(asked.astype(np.float64), members, strict=True):
        sims = offered.astype(np.float64) @ query
        if not named.any():
            expected.append(candidates)
            continue
        best, wrong = sims[named].max(), sims[~named]
        above = int((wrong > best + TIE).sum())
        equal = int((np.abs(wrong - best) <= TIE).sum())
        expected.append(above + (equal + 1) // 2)
    assert ranks_of_any(asked, offered, right).tolist() == expected


@given(seed=st.integers(0, 10**6))
def test_more_right_answers_never_make_a_rank_worse(seed: int) -> None:
    random = np.random.default_rng(seed)
    asked, offered = unit(random.normal(size=(6, 4))), unit(random.normal(size=(9, 4)))
    one = random.integers(0, 9, 6)
    more = np.concatenate([one, random.integers(0, 9, 6)])
    owners = np.tile(np.arange(6), 2)
    best = ranks_of_any(asked, offered, sets_of(owners, more, 6))
    assert (best <= ranks(asked, offered, one)).all()


def test_the_best_of_several_by_hand() -> None:
    candidates = unit([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]])
    queries = unit([[1, 0], [1, 0], [0, 1]])
    # The last two; the second and third; the first, which is last for its query.
    right = sets_of(np.array([0, 0, 1, 1, 2]), np.array([2, 3, 1, 2, 0]), 3)
    assert ranks_of_any(queries, candidates, right).tolist() == [2, 1, 3]


def test_one_point_is_no_hit_for_several_right_ones_either() -> None:
    everything = np.tile(unit([[1, 0]]), (9, 1))
    right = sets_of(np.array([0, 0, 0]), np.array([1, 4, 7]), 1)
    assert ranks_of_any(everything[:1], everything, right).tolist() == [3]  # half of six wrong ones


def test_a_right_one_that_is_no_number_leaves_the_others() -> None:
    candidates = unit([[1, 0], [0.8, 0.6], [0, 1]])
    candidates[0] = np.nan
    right = sets_of(np.array([0, 0]), np.array([0, 1]), 1)
    assert ranks_of_any(unit([[1, 0]]), candidates, right).tolist() == [0]
    candidates[1] = np.nan
    assert ranks_of_any(unit([[1, 0]]), candidates, right).tolist() == [3]


def test_reciprocal_ranks_by_hand() -> None:
    found = np.array([0, 1, 3])
    assert reciprocal_ranks(found).tolist() == [1, 0.5, 0.25]


def test_unsafe_first_by_hand() -> None:
    safe, unsafe = unit([[1, 0], [0, 1]]), unit([[0.8, 0.6]])
    queries = unit([[1, 0], [0.8, 0.6], [0, 1]])
    assert unsafe_first(queries, safe, unsafe).tolist() == [False, True, False]


@pytest.mark.parametrize("broken", ["query", "safe", "unsafe"])
def test_what_is_no_number_is_unsafe(broken: str) -> None:
    rows = {"query": unit([[1, 0]]), "safe": unit([[1, 0]]), "unsafe": unit([[0, 1]])}
    assert unsafe_first(*rows.values()).tolist() == [False]
    rows[broken][:] = np.nan
    assert unsafe_first(*rows.values()).tolist() == [True]


def test_one_point_for_all_is_unsafe() -> None:
    everything = np.tile(unit([[0.3, 0.7, 0.2]]), (7, 1))
    assert unsafe_first(everything, everything, everything[:1]).all()


def test_without_unsafe_items_none_is_first() -> None:
    rows = unit([[1, 0], [0, 1]])
    assert unsafe_first(rows, rows, rows[:0]).tolist() == [False, False]
    assert unsafe_first(rows, rows[:0], rows).tolist() == [True, True]
