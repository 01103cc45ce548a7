"""Rows of two tables side by side: read as one table, compared by the mean of their cosines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.tensor_cores import TensorCores

from nsfwcaps.enums import Device
from nsfwcaps.vectors import side_by_side
from nsfwcaps.vectors.array import VectorArray
from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.nearest import HeldTable
from nsfwcaps.vectors.side_by_side import SideBySide
from nsfwcaps.vectors.source import Half, VectorSource

UnitRows = Callable[..., Half]


@pytest.fixture(params=[3, 7, 4096])
def joined(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    unit_rows: UnitRows,
    make_table: Callable[..., Any],
) -> tuple[VectorSource, Half]:
    """Fifty rows in pieces of some size, and the same as one array."""
    monkeypatch.setattr(side_by_side, "_PIECE_ROWS", request.param)
    random = np.random.default_rng(0)
    left, right = unit_rows(60, 8, seed=1), unit_rows(20, 12, seed=2)
    rows = random.permutation(60)[:50], random.integers(0, 20, 50)
    table = SideBySide([(make_table(left, [33, 27]), rows[0]), (VectorArray(right), rows[1])])
    return table, np.concatenate([left[rows[0]], right[rows[1]]], axis=1)


def test_it_reads_as_one_table(joined: tuple[VectorSource, Half]) -> None:
    table, whole = joined
    assert (table.rows, table.width, table.squared_length) == (50, 20, 2)
    np.testing.assert_array_equal(np.concatenate(list(table.pieces())), whole)
    np.testing.assert_array_equal(table.read(5, 23), whole[5:23])
    some = np.array([0, 3, 3, 17, 49])
    np.testing.assert_array_equal(table.take(some), whole[some])
    found = [vectors[some[low:high] - first] for low, high, first, vectors in table.holding(some)]
    np.testing.assert_array_equal(np.concatenate(found), whole[some])


@pytest.mark.parametrize("search", [BlockSearch(Device.CPU), TensorCores()], ids=["host", "device"])
@pytest.mark.parametrize("block_rows", [11, 1000])
def test_its_neighbours_are_by_the_exact_mean_of_both_cosines(
    joined: tuple[VectorSource, Half], search: BlockSearch, block_rows: int
) -> None:
    table, whole = joined
    queries = whole[::3]
    held = HeldTable(table, search, block_rows=block_rows, part_rows=29)
    found = held.nearest(queries, 9, exact=True)
    sims = queries.astype(np.float64) @ whole.astype(np.float64).T / 2
    order = np.lexsort((np.broadcast_to(np.arange(50), sims.shape), -sims), axis=1)[:, :9]
    np.testing.assert_array_equal(found.rows, order)
    np.testing.assert_array_equal(
        found.sims, np.take_along_axis(sims, order, axis=1).astype(np.float32)
    )


def test_the_bound_of_rounding_grows_with_the_length(joined: tuple[VectorSource, Half]) -> None:
    table, whole = joined
    search = BlockSearch(Device.CPU)
    alone = HeldTable(VectorArray(whole), search, block_rows=100).held(0)
    assert HeldTable(table, search, block_rows=100).held(0).error_bound == 2 * alone.error_bound
