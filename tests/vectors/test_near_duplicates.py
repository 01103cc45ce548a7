"""Near-duplicates within one table: the same edges as a full matrix of exact cosines."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from nsfwcaps.enums import Device
from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.near_duplicates import near_duplicates
from nsfwcaps.vectors.nearest import HeldTable, Neighbours
from nsfwcaps.vectors.source import Half
from nsfwcaps.vectors.store import VectorTable

MakeTable = Callable[..., VectorTable]
UnitRows = Callable[..., Half]
Edges = set[tuple[int, int]]

WIDTH = 16


def brute_force(rows: Half, threshold: float) -> Edges:
    """Pairs i < j of rows `[n, d]` whose exact cosine, rounded once, reaches the threshold."""
    exact = rows.astype(np.float64)
    close = (exact @ exact.T).astype(np.float32) >= np.float32(threshold)
    left, right = np.nonzero(np.triu(close, k=1))
    return set(zip(left.tolist(), right.tolist(), strict=True))


def pool_of(table: VectorTable, block_rows: int = 1000) -> HeldTable:
    return HeldTable(table, BlockSearch(Device.CPU), block_rows=block_rows)


def found(
    table: VectorTable, threshold: float, *, cuts: Sequence[int] = (), block_rows: int = 1000
) -> list[tuple[int, int]]:
    """Edges of all parts of a table that is cut at the given rows."""
    edges = [0, *cuts, table.rows]
    pool = pool_of(table, block_rows)
    out: list[tuple[int, int]] = []
    for start, stop in itertools.pairwise(edges):
        left, right = near_duplicates(pool, start, stop, threshold)
        out += zip(left.tolist(), right.tolist(), strict=True)
    return out


@pytest.fixture(scope="module")
def families(unit_rows: UnitRows) -> Half:
    """Families of 1, 2, 5, 31, 32, 33 and 46 close rows `[150, d]`, shuffled."""
    return family_rows(unit_rows, [1, 2, 5, 31, 32, 33, 46])


def family_rows(unit_rows: UnitRows, sizes: Sequence[int]) -> Half:
    random = np.random.default_rng(1)
    centres = np.repeat(np.asarray(unit_rows(len(sizes), WIDTH), dtype=np.float64), sizes, axis=0)
    rows = centres + random.normal(scale=0.01, size=centres.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(random.permutation(rows), dtype=np.float16)


@pytest.mark.parametrize("threshold", [0.95, 0.998, 0.9985])
def test_edges_are_those_of_the_full_matrix(
    make_table: MakeTable, families: Half, threshold: float
) -> None:
    expected = brute_force(families, threshold)
    edges = found(make_table(families), threshold)
    assert len(edges) == len(set(edges))
    assert set(edges) == expected
    assert len(expected) > 300


def test_no_row_is_close_where_the_threshold_is_out_of_reach(
    make_table: MakeTable, unit_rows: UnitRows
) -> None:
    rows = unit_rows(50, WIDTH)
    left, right = near_duplicates(pool_of(make_table(rows), 7), 0, 50, 0.9999)
    assert brute_force(rows, 0.9999) == set()
    assert (left.dtype, left.shape) == (np.dtype(np.int64), (0,))
    assert (right.dtype, right.shape) == (np.dtype(np.int64), (0,))


@pytest.mark.parametrize("cuts", [(1,), (50, 51, 100), (149,)])
@pytest.mark.parametrize("block_rows", [31, 64])
def test_edges_do_not_depend_on_parts_or_blocks(
    make_table: MakeTable, families: Half, cuts: tuple[int, ...], block_rows: int
) -> None:
    table = make_table(families, [3, 60, 87])
    edges = found(table, 0.95, cuts=cuts, block_rows=block_rows)
    assert len(edges) == len(set(edges))
    assert set(edges) == brute_force(families, 0.95)


def test_a_part_gives_the_edges_of_its_own_rows_to_every_later_row(
    make_table: MakeTable, families: Half
) -> None:
    left, right = near_duplicates(pool_of(make_table(families)), 40, 90, 0.95)
    whole = brute_force(families, 0.95)
    expected = {(low, high) for low, high in whole if 40 <= low < 90}
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == expected
    assert max(right) >= 90


def test_only_rows_with_more_duplicates_than_a_look_shows_are_looked_at_again(
    make_table: MakeTable, unit_rows: UnitRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row finds itself too, so a look of 32 is full with 31 others."""
    looks: list[tuple[int, int]] = []
    search = HeldTable.nearest

    def watched(pool: HeldTable, queries: Half, k: int, **how: Any) -> Neighbours:
        looks.append((len(queries), k))
        return search(pool, queries, k, **how)

    monkeypatch.setattr(HeldTable, "nearest", watched)
    rows = family_rows(unit_rows, [300, 33, 32, 31, 1])
    edges = found(make_table(rows), 0.95)
    assert set(edges) == brute_force(rows, 0.95)
    assert looks == [(397, 32), (365, 256), (300, 397)]


def test_a_table_of_copies_joins_every_row_with_every_other(
    make_table: MakeTable, unit_rows: UnitRows
) -> None:
    rows = np.repeat(unit_rows(1, WIDTH), 80, axis=0)
    assert len(set(found(make_table(rows), 0.95))) == 80 * 79 // 2


@pytest.mark.parametrize("rows", [1, 2, 31, 32, 33])
def test_tables_about_the_size_of_the_first_look(
    make_table: MakeTable, unit_rows: UnitRows, rows: int
) -> None:
    copies = np.repeat(unit_rows(1, WIDTH), rows, axis=0)
    assert len(found(make_table(copies), 0.95)) == rows * (rows - 1) // 2


def test_a_cosine_on_the_threshold_counts(make_table: MakeTable) -> None:
    rows = np.array([[1, 0], [0.5, 0], [0.4995, 0], [0, 1]], dtype=np.float16)
    assert found(make_table(rows), 0.5) == [(0, 1)]
