"""Exact search: the same neighbours as float64 brute force, however the work is cut up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsfwcaps.enums import Device
from nsfwcaps.vectors.exact import exact_sims, to_single
from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.nearest import blocks_for, nearest, with_exact_sims
from nsfwcaps.vectors.rounding import rounding_bound
from nsfwcaps.vectors.source import Half
from nsfwcaps.vectors.store import VectorTable

MakeTable = Callable[..., VectorTable]
UnitRows = Callable[..., Half]
Exact = npt.NDArray[np.float64]

WIDTH = 32


class CountingSearch(BlockSearch):
    """The CPU search, remembering how deep each call looked."""

    def __init__(self) -> None:
        super().__init__(Device.CPU)
        self.depths: list[int] = []

    def __call__(self, queries, block, k):  # type: ignore[no-untyped-def]
        self.depths.append(k)
        return super().__call__(queries, block, k)


class OtherHardware(BlockSearch):
    """The host with other last bits and near ties in any order."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(Device.CPU)
        self._random = np.random.default_rng(seed)

    def __call__(self, queries, block, k):  # type: ignore[no-untyped-def]
        exact = queries.astype(np.float64) @ block.astype(np.float64).T
        # Anything the error bound of single precision allows.
        error = self._random.uniform(-1, 1, exact.shape) * 0.9 * rounding_bound(queries.shape[1])
        sims = (exact + error).astype(np.float32)
        rows = np.argsort(-sims, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(sims, rows, axis=1), rows


def all_sims(queries: Half, rows: Half) -> Exact:
    """Inner products without any rounding: halves have 11 bits, doubles 53."""
    sims: Exact = queries.astype(np.float64) @ rows.astype(np.float64).T
    return sims


def brute_force(queries: Half, rows: Half, k: int) -> tuple[Exact, npt.NDArray[np.int64]]:
    sims = all_sims(queries, rows)
    order = np.lexsort((np.broadcast_to(np.arange(len(rows)), sims.shape), -sims), axis=-1)[:, :k]
    return np.take_along_axis(sims, order, axis=-1), order


def near_ties(rows: int, seed: int = 0) -> Half:
    """Unit rows that differ in the last bit of their smallest components only."""
    random = np.random.default_rng(seed)
    base = random.normal(size=WIDTH)
    base[: WIDTH // 2] *= 1e-3
    out = np.tile((base / np.linalg.norm(base)).astype(np.float16), (rows, 1))
    steps = random.integers(-2, 3, size=(rows, WIDTH // 2)).astype(np.int16)
    out[:, : WIDTH // 2] = (out[:, : WIDTH // 2].view(np.int16) + steps).view(np.float16)
    return out


@pytest.fixture(scope="module")
def mixed_rows(unit_rows: UnitRows) -> Half:
    """Ordinary rows, near ties and exact copies, shuffled."""
    plain = unit_rows(40, WIDTH, seed=1)
    ties = near_ties(30, seed=2)
    rows = np.concatenate([plain, ties, np.repeat(plain[:3], 12, axis=0)])
    return rows[np.random.default_rng(3).permutation(len(rows))]


@pytest.fixture(scope="module")
def queries(unit_rows: UnitRows, mixed_rows: Half) -> Half:
    """Random queries, and rows of the table, whose copies and near ties are their nearest."""
    return np.concatenate([unit_rows(8, WIDTH, seed=4), mixed_rows[::7], near_ties(4, seed=5)])


@pytest.mark.parametrize("k", [1, 3, 10, 40])
@pytest.mark.parametrize("block", [1, 2, 13, 105, 106, 107, 4096])
def test_neighbours_equal_brute_force(
    make_table: MakeTable, mixed_rows: Half, queries: Half, k: int, block: int
) -> None:
    found = nearest(
        queries, make_table(mixed_rows), k, search=BlockSearch(Device.CPU), block_rows=block
    )
    sims, rows = brute_force(queries, mixed_rows, k)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.sims, sims, atol=rounding_bound(queries.shape[1]), rtol=0)


def test_near_ties_are_closer_than_single_precision_can_tell() -> None:
    """Guards the test above: on these rows a plain single-precision search is wrong."""
    rows, queries = near_ties(60, seed=2), near_ties(20, seed=5)
    _, order = BlockSearch(Device.CPU)(to_single(queries), to_single(rows), 60)
    true_sims, true_order = brute_force(queries, rows, 60)
    distinct = np.diff(true_sims, axis=1) != 0
    assert distinct.mean() > 0.5
    assert (order != true_order).mean() > 0.1


@settings(max_examples=40, deadline=None)
@given(data=st.data(), k=st.integers(1, 30), block=st.integers(1, 120), seed=st.integers(0, 99))
def test_block_size_files_query_split_and_hardware_do_not_matter(
    make_table: MakeTable,
    mixed_rows: Half,
    queries: Half,
    data: st.DataObject,
    k: int,
    block: int,
    seed: int,
) -> None:
    total = len(mixed_rows)
    cuts = sorted(data.draw(st.lists(st.integers(0, total), max_size=4)))
    sizes = np.diff([0, *cuts, total]).tolist()
    table = make_table(mixed_rows, sizes)
    split = data.draw(st.integers(1, len(queries) - 1))
    search = data.draw(st.sampled_from([BlockSearch(Device.CPU), OtherHardware(seed=seed)]))
    parts = [
        nearest(part, table, k, search=search, block_rows=block)
        for part in (queries[:split], queries[split:])
    ]
    sims, rows = brute_force(queries, mixed_rows, k)
    np.testing.assert_array_equal(np.concatenate([part.rows for part in parts]), rows)
    found = np.concatenate([part.sims for part in parts])
    np.testing.assert_allclose(found, sims, atol=rounding_bound(queries.shape[1]), rtol=0)


def test_more_copies_than_fetched_are_looked_for_deeper_and_come_by_row(
    make_table: MakeTable, unit_rows: UnitRows
) -> None:
    plain = unit_rows(300, WIDTH, seed=6)
    copies = np.repeat(plain[:1], 200, axis=0)
    rows = np.concatenate([plain[:50], copies, plain[50:]])  # row 0 and rows 50 to 249 are equal
    queries = np.concatenate([plain[:1], plain[7:9]])
    search = CountingSearch()
    found = nearest(queries, make_table(rows, [20, 180, 300]), 5, search=search, block_rows=1000)
    assert found.rows[0].tolist() == [0, 50, 51, 52, 53]
    np.testing.assert_array_equal(found.rows, brute_force(queries, rows, 5)[1])
    # 5 + 16, then 5 + 128, then 5 + 1024 cut to the table.
    assert search.depths == [21, 133, 500]


def test_only_queries_in_doubt_are_searched_again(
    make_table: MakeTable, unit_rows: UnitRows
) -> None:
    plain = unit_rows(60, WIDTH, seed=7)
    rows = np.concatenate([plain, np.repeat(plain[:1], 40, axis=0)])
    asked: list[int] = []

    class Watching(BlockSearch):
        def __call__(self, queries, block, k):  # type: ignore[no-untyped-def]
            asked.append(len(queries))
            return super().__call__(queries, block, k)

    nearest(plain[:5], make_table(rows), 1, search=Watching(Device.CPU), block_rows=1000)
    assert asked == [5, 1]


@pytest.mark.parametrize("k", [99, 100, 101, 5000])
def test_k_beyond_the_table_gives_every_row_once(
    make_table: MakeTable, unit_rows: UnitRows, k: int
) -> None:
    rows = np.concatenate([unit_rows(90, WIDTH, seed=8), near_ties(10)])
    queries = rows[:6]
    found = nearest(queries, make_table(rows), k, search=BlockSearch(Device.CPU), block_rows=9)
    np.testing.assert_array_equal(found.rows, brute_force(queries, rows, k)[1])
    assert found.rows.shape == (6, min(k, 100))


def test_rows_of_other_lengths_are_ranked_by_inner_product(
    make_table: MakeTable, unit_rows: UnitRows
) -> None:
    """An inner product, not a cosine in disguise: longer rows come first."""
    scale = np.random.default_rng(9).uniform(0.25, 0.9, size=(80, 1))
    rows = (unit_rows(80, WIDTH, seed=9) * scale).astype(np.float16)
    queries = (unit_rows(10, WIDTH, seed=10) * 0.5).astype(np.float16)
    found = nearest(queries, make_table(rows), 80, search=BlockSearch(Device.CPU), block_rows=11)
    sims, order = brute_force(queries, rows, 80)
    np.testing.assert_array_equal(found.rows, order)
    np.testing.assert_allclose(found.sims, sims, atol=rounding_bound(queries.shape[1]), rtol=0)


@pytest.mark.parametrize("seed", range(4))
def test_another_device_with_other_last_bits_gives_the_same_neighbours(
    make_table: MakeTable, seed: int
) -> None:
    rows, queries = near_ties(120, seed=11), near_ties(12, seed=12)
    table = make_table(rows)
    search = OtherHardware(seed=seed)
    first = search(to_single(queries), to_single(rows), 10)[1]
    truth = brute_force(queries, rows, 10)[1]
    assert (first != truth).any(), "the stand-in must permute near ties"
    found = nearest(queries, table, 10, search=search, block_rows=50)
    np.testing.assert_array_equal(found.rows, truth)


def test_cosines_handed_back_are_within_the_bound(
    make_table: MakeTable, unit_rows: UnitRows
) -> None:
    left, right = unit_rows(50, 384, seed=15), unit_rows(70, 384, seed=16)
    search = BlockSearch(Device.CPU)
    found = nearest(left, make_table(right), 70, search=search, block_rows=64)
    exact = np.take_along_axis(all_sims(left, right), found.rows, axis=1)
    assert np.abs(found.sims - exact).max() <= rounding_bound(384)


def test_an_exact_cosine_is_the_same_from_either_side(
    make_table: MakeTable, unit_rows: UnitRows
) -> None:
    left, right = unit_rows(50, 384, seed=15), unit_rows(70, 384, seed=16)
    search = BlockSearch(Device.CPU)
    there = nearest(left, make_table(right), 70, search=search, block_rows=64, exact=True)
    back = nearest(right, make_table(left), 50, search=search, block_rows=3, exact=True)
    exact = all_sims(left, right).astype(np.float32)
    np.testing.assert_array_equal(there.sims, np.take_along_axis(exact, there.rows, axis=1))
    np.testing.assert_array_equal(back.sims, np.take_along_axis(exact.T, back.rows, axis=1))


def test_exact_neighbours_are_sorted_and_no_row_stays_last(
    make_table: MakeTable, unit_rows: UnitRows
) -> None:
    left, right = unit_rows(3, 8, seed=1), unit_rows(4, 8, seed=2)
    found = with_exact_sims(left, make_table(right), np.array([[3, -1, 0, 2, 1]] * 3))
    np.testing.assert_array_equal(found.rows[:, :4], brute_force(left, right, 4)[1])
    assert (found.rows[:, 4] == -1).all()
    assert np.isneginf(found.sims[:, 4]).all()


def test_progress_hears_each_row_once(make_table: MakeTable, unit_rows: UnitRows) -> None:
    heard: list[int] = []
    nearest(
        unit_rows(3, 8),
        make_table(unit_rows(25, 8, seed=1), [20, 5]),
        2,
        search=BlockSearch(Device.CPU),
        block_rows=10,
        advance=heard.append,
    )
    assert heard == [10, 10, 5]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_exact_sims_do_not_depend_on_the_order_of_pairs(
    make_table: MakeTable, mixed_rows: Half, queries: Half, seed: int
) -> None:
    random = np.random.default_rng(seed)
    table = make_table(mixed_rows, [6, 50, len(mixed_rows) - 56])
    query_of = random.integers(0, len(queries), 200)
    row_of = random.integers(0, len(mixed_rows), 200)
    got = exact_sims(queries, table, query_of, row_of)
    np.testing.assert_array_equal(got, all_sims(queries, mixed_rows)[query_of, row_of])


def test_exact_sims_are_exact_in_any_order_of_summing(unit_rows: UnitRows) -> None:
    """The claim that exactness rests on: no rounding, so the order of the sum is of no account."""
    left, right = unit_rows(20, 768, seed=17), unit_rows(20, 768, seed=18)
    order = np.random.default_rng(19).permutation(768)
    products = left.astype(np.float64) * right.astype(np.float64)
    forwards = products.cumsum(axis=1)[:, -1]
    shuffled = products[:, order].cumsum(axis=1)[:, -1]
    whole = [
        sum(int(a) * int(b) for a, b in zip(x, y, strict=True))
        for x, y in zip(as_integers(left), as_integers(right), strict=True)
    ]
    np.testing.assert_array_equal(forwards, shuffled)
    assert [int(value * 2.0**48) for value in forwards] == whole


def as_integers(rows: Half) -> list[list[int]]:
    """Half-precision numbers as multiples of 2⁻²⁴, without rounding."""
    return [[int(value) for value in row] for row in rows.astype(np.float64) * 2.0**24]


@pytest.mark.parametrize("width", [32, 384, 768, 1024])
def test_measured_errors_of_single_precision_stay_below_the_bound(
    unit_rows: UnitRows, width: int
) -> None:
    left, right = unit_rows(200, width, seed=20), unit_rows(200, width, seed=21)
    right[:100] = left[:100]
    exact = all_sims(left, right)
    single = to_single(left) @ to_single(right).T
    one_by_one = np.zeros_like(single)
    for column in range(width):  # the worst order: each sum rounds once more
        one_by_one += np.outer(to_single(left)[:, column], to_single(right)[:, column])
    bound = rounding_bound(width)
    assert 0 < np.abs(single - exact).max() < bound
    assert np.abs(one_by_one - exact).max() < bound


def test_rounding_bound_is_highams() -> None:
    assert rounding_bound(1024) == pytest.approx(1.01 * 1024 * 2**-24 / (1 - 1024 * 2**-24))


def test_to_single_keeps_every_value() -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    every = every[np.isfinite(every)].reshape(-1, 16)
    np.testing.assert_array_equal(to_single(every), every.astype(np.float32))


@pytest.mark.parametrize(
    ("memory", "width", "k"), [(2**30, 384, 100), (2**20, 512, 100), (2**26, 768, 2000)]
)
def test_blocks_keep_to_the_memory(memory: int, width: int, k: int) -> None:
    blocks = blocks_for(memory, width, k)
    assert blocks.rows * 10 * width + blocks.queries * (6 * width + 120 * (k + 16)) <= memory
    assert min(blocks.rows, blocks.queries) >= 1


def test_blocks_are_never_empty() -> None:
    blocks = blocks_for(1, 1024, 1000)
    assert (blocks.rows, blocks.queries) == (1, 1)
