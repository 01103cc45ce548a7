"""Vectors in memory: read in every way a search reads, and the same as the table on disk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nsfwcaps.enums import Device
from nsfwcaps.vectors.array import VectorArray
from nsfwcaps.vectors.exact import exact_sims
from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.nearest import nearest
from nsfwcaps.vectors.source import Half
from nsfwcaps.vectors.store import VectorTable

ROWS = np.arange(21, dtype=np.float16).reshape(7, 3)


def test_array_knows_its_size() -> None:
    source = VectorArray(ROWS)
    assert (source.rows, source.width) == (7, 3)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 100])
def test_blocks_are_cut_at_multiples(block: int) -> None:
    blocks = list(VectorArray(ROWS).blocks(block))
    assert [start for start, _ in blocks] == list(range(0, 7, block))
    assert {len(part) for _, part in blocks[:-1]} <= {block}
    np.testing.assert_array_equal(np.concatenate([part for _, part in blocks]), ROWS)


def test_rows_are_read_by_range_and_by_number() -> None:
    source = VectorArray(ROWS)
    np.testing.assert_array_equal(source.read(2, 5), ROWS[2:5])
    rows = np.array([0, 3, 3, 6])
    np.testing.assert_array_equal(source.take(rows), ROWS[[0, 3, 3, 6]])
    ((low, high, first, part),) = source.holding(rows)
    assert (low, high, first) == (0, 4, 0)
    np.testing.assert_array_equal(part, ROWS)


def test_no_rows_are_no_parts() -> None:
    source = VectorArray(np.empty((0, 3), dtype=np.float16))
    assert list(source.blocks(4)) == []
    assert list(VectorArray(ROWS).holding(np.empty(0, dtype=np.int64))) == []
    assert VectorArray(ROWS).take(np.empty(0, dtype=np.int64)).shape == (0, 3)


@pytest.mark.parametrize("block_rows", [11, 40, 1000])
def test_search_in_memory_and_on_disk_agree_in_every_bit(
    make_table: Callable[..., VectorTable], unit_rows: Callable[..., Half], block_rows: int
) -> None:
    rows, queries = unit_rows(90, 24, seed=1), unit_rows(13, 24, seed=2)
    found = [
        nearest(
            queries, source, 5, search=BlockSearch(Device.CPU), block_rows=block_rows, exact=True
        )
        for source in (VectorArray(rows), make_table(rows, [50, 40]))
    ]
    np.testing.assert_array_equal(found[0].rows, found[1].rows)
    np.testing.assert_array_equal(found[0].sims, found[1].sims)
    sims = queries.astype(np.float64) @ rows.astype(np.float64).T
    np.testing.assert_array_equal(
        found[0].rows, np.argsort(-sims, axis=1, kind="stable")[:, :5], strict=True
    )


def test_exact_sims_take_pairs_in_any_order() -> None:
    rows = np.array([[1, 0], [0.5, 0.25], [0, 1]], dtype=np.float16)
    sims = exact_sims(rows, VectorArray(rows), np.array([2, 0, 1]), np.array([1, 1, 0]))
    assert sims.tolist() == [0.25, 0.5, 0.5]
