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
from nsfwcaps.tables import ARROW, PARQUET
from nsfwcaps.vectors.source import Half
from nsfwcaps.vectors.store import VectorTable

ROWS = np.arange(23 * 3, dtype=np.float16).reshape(23, 3)
SMAPS = Path("/proc/self/smaps")
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


@pytest.mark.parametrize("sizes", SPLITS)
def test_find_gives_the_same_for_ascending_keys(
    make_table: Callable[..., VectorTable], sizes: list[int]
) -> None:
    table = make_table(ROWS, sizes)
    wanted = pa.array(["", "000000", "000000", "0000005", "000011", "000022", "1"])
    assert table.find("id", wanted).tolist() == [-1, 0, 0, -1, 11, 22, -1]
    assert table.find("id", wanted[:0]).tolist() == []
    assert table.find("id", pa.array([None, None], pa.string())).tolist() == [-1, -1]


def test_table_knows_its_size_width_and_encoder(make_table: Callable[..., VectorTable]) -> None:
    table = make_table(ROWS, [10, 13], encoders=["abc"])
    assert (table.rows, table.width, table.encoder) == (23, 3, "abc")


def test_files_of_two_encoders_are_refused(make_table: Callable[..., VectorTable]) -> None:
    with pytest.raises(ModelError, match="vectors of 2 encoders"):
        make_table(ROWS, [10, 13], encoders=["one", "two"])


@pytest.mark.parametrize("ending", [ARROW, PARQUET])
def test_missing_and_damaged_files_are_named(
    make_table: Callable[..., VectorTable],
    unit_rows: Callable[..., Half],
    tmp_path: Path,
    ending: str,
) -> None:
    with pytest.raises(ArtifactError, match=rf"gone\{ending} is missing or damaged"):
        VectorTable([tmp_path / f"gone{ending}"])
    path = make_table(unit_rows(5, 4), endings=[ending]).paths[0]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArtifactError, match="missing or damaged"):
        VectorTable([path])


@pytest.mark.parametrize("sizes", SPLITS)
def test_both_layouts_hold_the_same(
    make_table: Callable[..., VectorTable], sizes: list[int]
) -> None:
    new, old = (make_table(ROWS, sizes, endings=[ending]) for ending in (ARROW, PARQUET))
    rows = np.array([0, 3, 9, 10, 22])
    for table in (new, old):
        np.testing.assert_array_equal(np.concatenate(list(table.pieces())), ROWS)
        np.testing.assert_array_equal(table.take(rows), ROWS[rows])
        assert all(len(piece) for piece in table.pieces())
    assert new.column("id", rows) == old.column("id", rows)


def test_arrow_files_are_used_without_a_copy(make_table: Callable[..., VectorTable]) -> None:
    table = make_table(ROWS, [10, 13], endings=[ARROW])
    first, second = table.pieces()
    assert np.shares_memory(table.read(2, 9), first)
    assert np.shares_memory(next(iter(table.blocks(10)))[1], first)
    parts = list(table.holding(np.array([3, 12])))
    assert np.shares_memory(parts[0][3], first)
    assert np.shares_memory(parts[1][3], second)
    assert not first.flags.writeable, "the file must stay as it is"


@pytest.mark.skipif(not SMAPS.exists(), reason="needs Linux's /proc")
def test_only_the_rows_needed_are_read_into_memory(
    make_table: Callable[..., VectorTable], unit_rows: Callable[..., Half]
) -> None:
    rows = unit_rows(20_000, 1024)  # 39 MiB
    table = make_table(rows, endings=[ARROW])
    some = np.array([5, 9_000, 19_998])
    np.testing.assert_array_equal(table.take(some), rows[some])
    assert _mapped(table.paths[0]) < 10 * 2**20  # the system maps up to 2 MiB at once
    own = _own_memory()
    assert sum(float(piece[at].sum()) for piece in table.pieces() for at in range(20_000))
    assert _mapped(table.paths[0]) > 39 * 2**20
    assert _own_memory() - own < 4 * 2**20


def _mapped(path: Path) -> int:
    """Bytes of a mapped file that are in memory."""
    found, inside = 0, False
    for line in SMAPS.read_text().splitlines():
        name, *values = line.split()
        if not name.endswith(":"):
            inside = line.endswith(str(path))
        elif inside and name == "Rss:":
            found += int(values[0]) * 1024
    return found


def _own_memory() -> int:
    """Bytes in memory that belong to no file."""
    (line,) = (
        line
        for line in SMAPS.with_name("status").read_text().splitlines()
        if line.startswith("RssAnon:")
    )
    return int(line.split()[1]) * 1024


def test_a_table_of_no_files_has_no_rows() -> None:
    table = VectorTable([])
    assert (table.rows, table.width, list(table.blocks(4))) == (0, 0, [])
