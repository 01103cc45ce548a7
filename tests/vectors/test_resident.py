"""Rows held on devices, in parts and in passes: the same neighbours as brute force in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tensor_cores import PlainGpu, TensorCores

from nsfwcaps.enums import Device
from nsfwcaps.errors import DeviceError
from nsfwcaps.vectors import resident, tile_search
from nsfwcaps.vectors.array import VectorArray
from nsfwcaps.vectors.index import FAISS, TILES, BlockSearch
from nsfwcaps.vectors.nearest import HeldTable, Neighbours
from nsfwcaps.vectors.source import Half
from nsfwcaps.vectors.store import VectorTable

UnitRows = Callable[..., Half]
MakeTable = Callable[..., VectorTable]

WIDTH = 24


def brute_force(queries: Half, rows: Half, k: int) -> Neighbours:
    sims = queries.astype(np.float64) @ rows.astype(np.float64).T
    places = np.broadcast_to(np.arange(len(rows)), sims.shape)
    order = np.lexsort((places, -sims), axis=-1)[:, :k]
    found = np.take_along_axis(sims, order, axis=1).astype(np.float32)
    return Neighbours(sims=found, rows=order)


def same(found: Neighbours, expected: Neighbours) -> None:
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.sims, expected.sims)
    assert found.sims.dtype == np.float32


@pytest.fixture(scope="module")
def rows(unit_rows: UnitRows) -> Half:
    """Ordinary rows, near ties in the last bit of small components, and copies; shuffled."""
    random = np.random.default_rng(5)
    plain = unit_rows(120, WIDTH, seed=1)
    ties = np.repeat(plain[:2], 25, axis=0)
    steps = random.integers(-2, 3, size=ties.shape).astype(np.int16)
    ties = np.where(np.abs(ties) < 0.05, (ties.view(np.int16) + steps).view(np.float16), ties)
    return random.permutation(np.concatenate([plain, ties, np.repeat(plain[2:5], 14, axis=0)]))


@pytest.fixture(scope="module")
def queries(unit_rows: UnitRows, rows: Half) -> Half:
    return np.concatenate([unit_rows(9, WIDTH, seed=6), rows[::11]])


@settings(max_examples=60, deadline=None)
@given(
    k=st.integers(1, 230),
    part=st.integers(1, 250),
    max_k=st.sampled_from([None, 16, 17, 40]),
    lanes=st.integers(1, 3),
    block=st.sampled_from([4, 8, 16]),
    lane=st.integers(0, 2),
    tile_bytes=st.sampled_from([2000, 20_000, 2**20]),
)
def test_parts_passes_devices_and_engines_do_not_matter(
    rows: Half,
    queries: Half,
    k: int,
    part: int,
    max_k: int | None,
    lanes: int,
    block: int,
    lane: int,
    tile_bytes: int,
) -> None:
    search = TensorCores(lanes, max_k, block, tile_bytes)
    pool = HeldTable(VectorArray(rows), search, block_rows=7, part_rows=part)
    assert len(pool.parts) == -(-len(rows) // part)
    found = pool.nearest(queries, k, exact=True, lane=lane % lanes)
    same(found, brute_force(queries, rows, k))
    without_exact = pool.nearest(queries, k, lane=lane % lanes)
    np.testing.assert_array_equal(without_exact.rows, found.rows)


@pytest.mark.parametrize("k", [1, 30, 100])
@pytest.mark.parametrize(("engine", "max_k"), [(FAISS, 16), (TILES, None)])
@pytest.mark.parametrize("tile_bytes", [4000, 2**26])
def test_engines_on_tensors_find_the_same(
    rows: Half,
    queries: Half,
    monkeypatch: pytest.MonkeyPatch,
    k: int,
    engine: str,
    max_k: int | None,
    tile_bytes: int,
) -> None:
    monkeypatch.setattr(tile_search, "LEAST_TILE_BYTES", tile_bytes)
    pool = HeldTable(VectorArray(rows), PlainGpu(engine, max_k), block_rows=7, part_rows=90)
    host = HeldTable(VectorArray(rows), BlockSearch(Device.CPU), block_rows=50)
    expected = brute_force(queries, rows, k)
    same(pool.nearest(queries, k, exact=True), expected)
    same(host.nearest(queries, k, exact=True), expected)


def test_a_range_with_its_share_is_searched_once(unit_rows: UnitRows) -> None:
    rows, query = unit_rows(4000, WIDTH, seed=7), unit_rows(5, WIDTH, seed=8)
    search = TensorCores(max_k=64)
    found = HeldTable(VectorArray(rows), search, block_rows=1).nearest(query, 100, exact=True)
    same(found, brute_force(query, rows, 100))
    # 116 rows: four ranges, each for 64 rows.
    assert search.calls == [(5, 1000, 64)] * 4


def test_a_range_that_hides_neighbours_is_searched_in_smaller_ranges(unit_rows: UnitRows) -> None:
    """All near rows of the first query lie side by side, which ids as hashes make unlikely."""
    random = np.random.default_rng(9)
    rows, query = unit_rows(600, WIDTH, seed=10), unit_rows(6, WIDTH, seed=11)
    near = query[0].astype(np.float64) + random.normal(scale=0.01, size=(200, WIDTH))
    rows[150:350] = near / np.linalg.norm(near, axis=1, keepdims=True)
    search = TensorCores(max_k=16)
    found = HeldTable(VectorArray(rows), search, block_rows=1).nearest(query, 40, exact=True)
    same(found, brute_force(query, rows, 40))
    again = [call for call in search.calls if call[0] < 6]
    assert again
    assert {calls[0] for calls in again} == {1}, "only the query in doubt"
    assert sum(call[1] for call in again) < 3 * 600


def test_copies_beyond_any_limit_come_by_row(unit_rows: UnitRows) -> None:
    rows = np.repeat(unit_rows(3, WIDTH, seed=12), 150, axis=0)
    pool = HeldTable(VectorArray(rows), TensorCores(max_k=16), block_rows=1)
    same(pool.nearest(rows[:1], 20, exact=True), brute_force(rows[:1], rows, 20))


class CountedArray(VectorArray):
    """An array that counts the bytes it hands out."""

    def __init__(self, vectors: Half) -> None:
        super().__init__(vectors)
        self.bytes = 0

    def pieces(self) -> Iterator[Half]:
        for piece in super().pieces():
            self.bytes += piece.nbytes
            yield piece

    def holding(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, int, int, Half]]:
        for part in super().holding(rows):
            self.bytes += part[3].nbytes
            yield part

    def read(self, start: int, stop: int) -> Half:
        self.bytes += super().read(start, stop).nbytes
        return super().read(start, stop)


@pytest.mark.parametrize("search", [TensorCores(), BlockSearch(Device.CPU)])
def test_a_table_is_read_once_for_all_blocks_of_queries(
    rows: Half, queries: Half, search: BlockSearch
) -> None:
    table = CountedArray(rows)
    pool = HeldTable(table, search, block_rows=1000)
    for start in range(0, len(queries), 4):
        pool.nearest(queries[start : start + 4], 10, exact=True)
    assert table.bytes == rows.nbytes


def test_a_part_is_uploaded_once_while_a_lane_stays_with_it(rows: Half, queries: Half) -> None:
    table = VectorArray(rows)
    pool = HeldTable(table, TensorCores(lanes=2), block_rows=1, part_rows=100)
    held = pool.held(1, lane=1)
    pool.nearest_in(1, queries, 5, lane=1)
    assert pool.held(1, lane=1) is held
    assert pool.held(1, lane=0) is not held
    assert pool.held(0, lane=1) is not held
    assert (held.first, held.rows) == (100, 100)


@pytest.mark.parametrize("sizes", [None, [1, 70, 121, 20]])
@pytest.mark.parametrize(("start", "stop"), [(0, 212), (3, 4), (70, 150), (71, 212)])
@pytest.mark.parametrize("buffer_rows", [1, 7, 500])
def test_an_upload_copies_exactly_its_rows(
    make_table: MakeTable,
    rows: Half,
    monkeypatch: pytest.MonkeyPatch,
    sizes: list[int] | None,
    start: int,
    stop: int,
    buffer_rows: int,
) -> None:
    monkeypatch.setattr(resident, "_BUFFER_BYTES", buffer_rows * 2 * WIDTH)
    table = make_table(rows, sizes)
    held = resident.ResidentRows(table, start, stop, search=TensorCores(), device="cpu")
    got = np.concatenate([tile.numpy() for tile in held.tiles(13)])
    np.testing.assert_array_equal(got, rows[start:stop].astype(np.float32))


class SmallGpu(TensorCores):
    """A device whose memory is enough for a few queries."""

    def __init__(self, most_queries: int) -> None:
        super().__init__()
        self._most_queries = most_queries

    def on_device(self, queries: Any, rows: Any, k: int) -> tuple[Any, Any]:
        found = super().on_device(queries, rows, k)
        if len(queries) > self._most_queries:
            raise torch.OutOfMemoryError("too many queries")
        return found


@pytest.mark.parametrize("part_rows", [None, 90])
def test_queries_that_do_not_fit_are_halved_once(
    rows: Half, queries: Half, part_rows: int | None
) -> None:
    search, counted = SmallGpu(4), list[int]()
    pool = HeldTable(VectorArray(rows), search, block_rows=1, part_rows=part_rows)
    assert len(queries) == 29
    found = pool.nearest(queries, 20, exact=True, advance=counted.append)
    same(found, brute_force(queries, rows, 20))
    tried = [calls for calls, _, _ in search.calls]
    assert tried[:3] == [29, 8, 4], "halves that are as large as what failed are not tried"
    assert max(tried[3:]) <= 4
    assert counted == [len(rows)] if part_rows is None else [90, 90, 32]


def test_a_query_that_does_not_fit_is_a_device_error(rows: Half, queries: Half) -> None:
    pool = HeldTable(VectorArray(rows), SmallGpu(0), block_rows=1)
    with pytest.raises(DeviceError, match=r"--memory.*--device cpu"):
        pool.nearest(queries, 5)


def test_the_smallest_free_memory_decides_how_many_rows_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free, unused = {"cuda:0": 80 * 2**30, "cuda:1": 39 * 2**30}, {"cuda:0": 0, "cuda:1": 2**30}
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (free[str(device)], 2**40))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda device: 5 + unused[str(device)])
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda device: 5)
    search = TensorCores(lanes=2)
    assert resident.rows_that_fit(512, search) is None
    search.devices = ("cuda:0", "cuda:1")
    assert resident.rows_that_fit(512, search) == 30 * 2**20


@pytest.mark.parametrize(
    ("free", "rows"), [(80, 60), (24, 18), (12, 9), (8, 5), (6, 3), (4, 2), (1, 0.5)]
)
def test_rows_leave_room_for_the_search(free: float, rows: float) -> None:
    assert resident.bytes_for_rows(int(free * 2**30)) == int(rows * 2**30)


def test_parts_are_whole_tiles(unit_rows: UnitRows) -> None:
    rows = unit_rows(9000, 2)
    pool = HeldTable(VectorArray(rows), TensorCores(), block_rows=1, part_rows=5000)
    assert pool.parts == [(0, 4096), (4096, 8192), (8192, 9000)]


def test_host_has_one_part_unless_asked(unit_rows: UnitRows) -> None:
    table, host = VectorArray(unit_rows(90, 4)), BlockSearch(Device.CPU)
    assert HeldTable(table, host, block_rows=1).parts == [(0, 90)]
    assert HeldTable(table, host, block_rows=1, part_rows=40).parts == [(0, 40), (40, 80), (80, 90)]


@pytest.mark.parametrize("block_rows", [7, 100])
def test_parts_on_the_host_give_the_same_neighbours(unit_rows: UnitRows, block_rows: int) -> None:
    rows, queries = unit_rows(90, 4), unit_rows(5, 4)
    rows[80] = rows[3]  # a tie across parts, decided by row
    table, host = VectorArray(rows), BlockSearch(Device.CPU)
    whole = HeldTable(table, host, block_rows=block_rows).nearest(queries, 12, exact=True)
    cut = HeldTable(table, host, block_rows=block_rows, part_rows=40).nearest(queries, 12)
    np.testing.assert_array_equal(cut.rows, whole.rows)
    np.testing.assert_array_equal(cut.sims, whole.sims)
