"""Answers to several questions at once are those of brute force in double precision."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nsfwcaps.metrics import counting, tiles
from nsfwcaps.metrics.answer_sets import Rows, Sets, sets_of
from nsfwcaps.metrics.ranking import Question, answer
from nsfwcaps.metrics.similarities import TIE, Vectors
from nsfwcaps.metrics.tiles import Side, Tile, rounding_bound


def unit(rows: object) -> Vectors:
    made = np.asarray(rows, dtype=np.float32)
    return (made / np.linalg.norm(made, axis=-1, keepdims=True)).astype(np.float32)


def brute_force(
    sides: Mapping[str, Vectors], asked: Question
) -> tuple[list[list[int]], list[bool]]:
    """Ranks for each right set and "last pool first", a query at a time, in double precision."""
    queries = sides[asked.side] if asked.items is None else sides[asked.side][asked.items]
    pools = [sides[name].astype(np.float64) for name in asked.pools]
    ranks: list[list[int]] = [[] for _ in asked.right]
    first = []
    for number, query in enumerate(queries.astype(np.float64)):
        by_pool = [pool @ query for pool in pools]
        if asked.itself is not None:
            by_pool[-1][asked.itself[number]] = -np.inf
        sims = np.concatenate(by_pool)
        for right, out in zip(asked.right, ranks, strict=True):
            own = right[number]
            best = max([sim for sim in sims[own] if np.isfinite(sim)], default=None)
            if best is None:
                out.append(len(sims))
                continue
            wrong = np.delete(sims, own)
            above = sum(not sim <= best + TIE for sim in wrong)
            tied = sum(best - TIE <= sim <= best + TIE for sim in wrong)
            out.append(above + (tied + 1) // 2)
        tops = [np.max(part, initial=-np.inf) for part in (by_pool[0], by_pool[-1])]
        first.append(bool(not tops[1] < tops[0] - TIE))
    return ranks, first


def some_sets(random: np.random.Generator, queries: int, rows: int, share: float) -> Sets:
    return sets_of(*np.nonzero(random.random((queries, rows)) < share), queries)


def directions(random: np.random.Generator, sides: Mapping[str, Vectors]) -> list[Question]:
    """The questions of retrieval, some with a part of a side as queries."""
    sizes = {name: len(rows) for name, rows in sides.items()}
    part = np.sort(random.choice(sizes["T"], sizes["T"] // 2 + 1, replace=False))
    bad = np.sort(random.choice(sizes["V*"], sizes["V*"] // 2 + 1, replace=False))

    def right(queries: int, pool: str, *shares: float) -> list[Sets]:
        return [some_sets(random, queries, sizes[pool], share) for share in shares]

    return [
        Question(side="T", pools=("V",), right=right(len(part), "V", 0.1), items=part),
        Question(side="V", pools=("T",), right=right(sizes["V"], "T", 0.1)),
        Question(
            side="T*",
            pools=("V", "V*"),
            right=right(sizes["T*"], "V", 0.1, 0.3, 0.02),
            compares=True,
        ),
        Question(
            side="V*",
            pools=("T", "T*"),
            right=right(len(bad), "T", 0.1, 0.3),
            items=bad,
            compares=True,
        ),
        Question(
            side="T*",
            pools=("T", "T*"),
            right=right(sizes["T*"], "T", 0.1),
            itself=np.arange(sizes["T*"]),
            compares=True,
        ),
    ]


def check(sides: Mapping[str, Vectors], questions: list[Question]) -> None:
    for asked, found in zip(questions, answer(sides, questions), strict=True):
        ranks, first = brute_force(sides, asked)
        assert [one.tolist() for one in found.ranks] == ranks
        if asked.compares:
            assert found.last_pool_first is not None
            assert found.last_pool_first.tolist() == first
        else:
            assert found.last_pool_first is None


@settings(deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shape=st.sampled_from([(1, 1), (2, 5), (7, 3), (512, 2048)]),
    points=st.sampled_from([1, 3, 6, 60]),
    broken=st.booleans(),
)
def test_all_directions_at_once(
    seed: int, shape: tuple[int, int], points: int, broken: bool
) -> None:
    random = np.random.default_rng(seed)
    space = unit(random.normal(size=(points, 16)))  # few points: many ties
    sizes = dict(zip(("T", "V", "T*", "V*"), random.integers(1, 20, 4).tolist(), strict=True))
    sides = {name: space[random.integers(0, points, size)] for name, size in sizes.items()}
    if broken:
        for rows in sides.values():
            rows[random.random(len(rows)) < 0.1] = np.nan
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "ROWS", shape[0])
        patch.setattr(tiles, "COLUMNS", shape[1])
        check(sides, directions(random, sides))
    torch.set_num_threads(threads)


def near_the_edges(random: np.random.Generator, count: int, width: int) -> tuple[Vectors, Vectors]:
    """A query, and candidates whose similarities lie within rounding of both ends of the tie."""
    query = unit(random.normal(size=width))
    across = random.normal(size=(count, width))
    across -= np.outer(across @ query, query)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    offsets = random.choice([-1.0, 0.0, 1.0], count) * TIE + random.normal(size=count) * 1e-7
    along = 0.3 + offsets
    rows = along[:, None] * query + np.sqrt(1 - along**2)[:, None] * across
    return query[None], rows.astype(np.float32)


@pytest.mark.parametrize("width", [8, 512, 1024])
@pytest.mark.parametrize("shape", [(1, 7), (512, 2048), (512, 100)], ids=str)
@pytest.mark.parametrize("sparse", [0, 16, 10**9])
def test_candidates_within_rounding_of_a_tie_are_counted_exactly(
    width: int, shape: tuple[int, int], sparse: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "ROWS", shape[0])
    monkeypatch.setattr(tiles, "COLUMNS", shape[1])
    monkeypatch.setattr(counting, "_SPARSE", sparse)  # pairs alone, either way, whole tiles
    random = np.random.default_rng(width)
    query, rows = near_the_edges(random, 400, width)
    far = unit(random.normal(size=(200, width)))
    queries = np.concatenate([query, unit(random.normal(size=(9, width)))])
    sides = {"T*": queries, "V": np.concatenate([rows, far]), "V*": rows[200:]}
    asked = Question(
        side="T*",
        pools=("V", "V*"),
        right=[
            some_sets(random, len(queries), 600, 0.005),
            sets_of(np.array([0]), np.array([3]), 10),
        ],
        compares=True,
    )
    check(
        sides, [asked, Question(side="V", pools=("T*",), right=[some_sets(random, 600, 10, 0.2)])]
    )
    # In single precision alone some would be on the wrong side.
    exact = rows.astype(np.float64) @ query[0].astype(np.float64)
    rounded = (rows @ query[0]).astype(np.float64)
    best = exact[3]
    assert ((exact > best + TIE) != (rounded > best + TIE)).any() or width == 8


def test_the_bound_holds_for_the_product_in_tiles() -> None:
    random = np.random.default_rng(0)
    one, other = (Side.of(unit(np.abs(random.normal(size=(90, 768)))), "cpu") for _ in range(2))
    worst = 0.0

    def measure(tile: Tile) -> None:
        nonlocal worst
        exact = one.rows[tile.rows].double() @ other.rows[tile.columns].double().T
        worst = max(worst, float((tile.sims.double() - exact).abs().max()))

    tiles.for_each_tile(one.rows, other.rows, measure)
    assert 0 < worst < rounding_bound(one, other)
    assert rounding_bound(one, other) == pytest.approx(768 * 2**-24, rel=2e-3)


def test_rows_that_are_no_numbers_leave_the_bound() -> None:
    whole = Side.of(np.eye(4, dtype=np.float32), "cpu")
    broken = Side.of(np.concatenate([np.eye(4), np.full((1, 4), np.nan)]).astype("f"), "cpu")
    assert rounding_bound(broken, whole) == rounding_bound(whole, whole) > 0


def test_every_entry_is_in_one_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "ROWS", 4)
    monkeypatch.setattr(tiles, "COLUMNS", 3)
    left, right = torch.randn(10, 5), torch.randn(8, 5)
    found = np.zeros((10, 8))

    def add(tile: Tile) -> None:
        found[tile.rows, tile.columns] += tile.sims.numpy()

    tiles.for_each_tile(left, right, add)
    np.testing.assert_allclose(found, (left @ right.T).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (0, 0)], ids=str)
def test_empty_sides(sizes: tuple[int, int]) -> None:
    sides = {"T*": np.zeros((2, 4), np.float32), "V": np.zeros((sizes[0], 4), np.float32)}
    sides["V*"] = np.zeros((sizes[1], 4), np.float32)
    nothing = Sets(rows=np.empty(0, np.int64), offsets=np.zeros(3, np.int64))
    asked = Question(side="T*", pools=("V", "V*"), right=[nothing], compares=True)
    check(sides, [asked])


def test_a_query_is_no_candidate_for_itself() -> None:
    sides = {
        "T": unit([[1, 0.2], [0.4, 1], [-1, 0.5]]),
        "T*": unit([[1, 0], [0, 1], [0.1, 1]]),
    }
    right = [sets_of(np.arange(3), np.arange(3), 3)]
    itself: Rows | None
    expected = [(None, [True, True, True]), (np.arange(3), [False, True, True])]
    for itself, first in expected:
        asked = Question(side="T*", pools=("T", "T*"), right=right, itself=itself, compares=True)
        found = answer(sides, [asked])[0]
        # The first has only its safe item near; the others have each other.
        assert found.last_pool_first is not None
        assert found.last_pool_first.tolist() == first
    assert found.ranks[0].tolist() == [0, 1, 2]


def test_one_point_for_all_is_neither_found_nor_safe() -> None:
    point = np.tile(unit([[0.2, 0.5, 0.1]]), (6, 1))
    asked = Question(
        side="T*",
        pools=("T", "T*"),
        right=[sets_of(np.arange(6), np.arange(6), 6)],
        itself=np.arange(6),
        compares=True,
    )
    found = answer({"T": point, "T*": point}, [asked])[0]
    assert set(found.ranks[0].tolist()) == {5}  # half of the ten others
    assert found.last_pool_first is not None
    assert found.last_pool_first.all()


def test_four_directions_take_four_products(monkeypatch: pytest.MonkeyPatch) -> None:
    from nsfwcaps.metrics import ranking

    seen: list[tuple[int, int]] = []

    def spy(left: torch.Tensor, right: torch.Tensor, use: object) -> None:
        seen.append((len(left), len(right)))

    monkeypatch.setattr(ranking, "for_each_tile", spy)
    random = np.random.default_rng(0)
    sizes = {"T": 2, "V": 3, "T*": 4, "V*": 5}
    sides = {name: unit(random.normal(size=(size, 4))) for name, size in sizes.items()}
    answer(
        sides,
        [
            Question(side="T", pools=("V",)),
            Question(side="V", pools=("T",)),
            Question(side="T*", pools=("V", "V*")),
            Question(side="V*", pools=("T", "T*"), items=np.array([0, 3])),
        ],
    )
    assert seen == [(2, 3), (4, 3), (4, 5), (2, 2)]  # the last for two queries only


def test_threads_of_torch_are_restored() -> None:
    before = torch.get_num_threads()
    big = torch.nn.functional.normalize(torch.randn(tiles.ROWS + 1, 4))
    inside: list[int] = []
    tiles.for_each_tile(big, big, lambda tile: inside.append(torch.get_num_threads()))
    assert inside == [1, 1]
    assert torch.get_num_threads() == before
