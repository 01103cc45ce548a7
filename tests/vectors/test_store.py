"""Vectors on disk, read in blocks, ranges and picks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsfwcaps.errors import ArtifactError, ModelError
from nsfwcaps.vectors.source import Half
from nsfwcaps.vectors.store import VectorTable

ROWS = np.arange(23 * 3, dtype=np.float16).reshape(23, 3)
SPLITS = ([23], [1, 22], [0, 10, 0, 13], [8, 8, 7], [1] * 23)


@pytest.mark.parametrize("sizes", SPLITS)
@pytest.mark.parametrize("block", [1, 2, 7, 8, 22, 23, 24, 1000])
def test_blocks_are_cut_at_multiples_wherever_files_end(
    make_table: Callable[..., VectorTable], sizes: list[int], block: int
) -> None:
    blocks = list(make_table(ROWS, sizes).blocks(block))
    assert [start for start, _ in blocks] == list(range(0, 23, block))
    assert all(len(rows) == block for _, rows in blocks[:-1])
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in blocks]), ROWS)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.sampled_from(SPLITS),
    edges=st.tuples(st.integers(0, 23), st.integers(0, 23)).map(sorted),
)
def test_read_gives_the_asked_range(
    make_table: Callable[..., VectorTable], sizes: list[int], edges: list[int]
) -> None:
    start, stop = edges
    np.testing.assert_array_equal(make_table(ROWS, sizes).read(start, stop), ROWS[start:stop])


@pytest.mark.parametrize("sizes", SPLITS)
def test_take_and_column_pick_across_files(
    make_table: Callable[..., VectorTable], sizes: list[int]
) -> None:
    table = make_table(ROWS, sizes)
    rows = np.array([0, 0, 1, 9, 10, 10, 22])
    np.testing.assert_array_equal(table.take(rows), ROWS[rows])
    assert table.column("id", rows).to_pylist() == [f"{row:06d}" for row in rows]


def test_picking_no_rows_gives_empty_results(make_table: Callable[..., VectorTable]) -> None:
    table = make_table(ROWS, [10, 13])
    none = np.array([], dtype=np.int64)
    assert table.take(none).shape == (0, 3)
    assert table.column("id", none).to_pylist() == []


@pytest.mark.parametrize("sizes", SPLITS)
def test_find_gives_row_numbers_and_minus_one_for_unknown_or_null_keys(
    make_table: Callable[..., VectorTable], sizes: list[int]
) -> None:
    wanted = pa.array(["000022", "nowhere", None, "000000", "000011", "000000"])
    found = make_table(ROWS, sizes).find("id", wanted)
    assert found.tolist() == [22, -1, -1, 0, 11, 0]


def test_table_knows_its_size_width_and_encoder(make_table: Callable[..., VectorTable]) -> None:
    table = make_table(ROWS, [10, 13], encoders=["abc"])
    assert (table.rows, table.width, table.encoder) == (23, 3, "abc")


def test_files_of_two_encoders_are_refused(make_table: Callable[..., VectorTable]) -> None:
    with pytest.raises(ModelError, match="vectors of 2 encoders"):
        make_table(ROWS, [10, 13], encoders=["one", "two"])


def test_missing_and_damaged_files_are_named(
    make_table: Callable[..., VectorTable], unit_rows: Callable[..., Half], tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match=r"gone\.parquet is missing or damaged"):
        VectorTable([tmp_path / "gone.parquet"])
    path = make_table(unit_rows(5, 4)).paths[0]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArtifactError, match="missing or damaged"):
        VectorTable([path])


def test_a_table_of_no_files_has_no_rows() -> None:
    table = VectorTable([])
    assert (table.rows, table.width, list(table.blocks(4))) == (0, 0, [])
