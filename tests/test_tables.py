"""Tables in files: which format, equal bytes for equal tables, and damage named in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nsfwcaps import schema
from nsfwcaps.errors import ArtifactError
from nsfwcaps.tables import (
    ARROW,
    PARQUET,
    arrow_bytes,
    column_names,
    ending,
    map_table,
    parquet_bytes,
    published_bytes,
    read_tables,
)
from nsfwcaps.vectors.columns import vector_table
from nsfwcaps.vectors.store import VectorTable

ROWS = np.arange(12, dtype=np.float16).reshape(4, 3)
HASHES = ["aa", None, "ccc", None]


def table_of(
    hashes: pa.Array | list[str | None] = HASHES, keys: pa.Array | None = None
) -> pa.Table:
    columns = {
        "id": ["a", "b", "c", "d"],
        "fold_key": pa.array([1, 2, None, 4], pa.uint64()) if keys is None else keys,
        "image_sha256": hashes,
    }
    return vector_table(schema.caption_vectors(3), columns, ROWS, "some encoder")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "safe-0123456789ab.arrow"
    path.write_bytes(arrow_bytes(table_of()))
    return path


def test_only_half_precision_vectors_are_arrow_files() -> None:
    lists = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(6, np.float32)), 3)
    assert ending(table_of()) == ARROW
    assert ending(pa.table({"vector": lists})) == PARQUET
    assert ending(pa.table({"id": ["a"]})) == PARQUET


def test_a_table_comes_back_as_it_was(path: Path) -> None:
    (table,) = read_tables([path])
    assert table.equals(table_of(), check_metadata=True)
    assert column_names(path) == ["id", "fold_key", "image_sha256", "vector"]
    (part,) = read_tables([path], ["vector", "id"])
    assert part.column_names == ["vector", "id"]


def test_a_table_without_rows_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "none.arrow"
    path.write_bytes(arrow_bytes(table_of().slice(0, 0)))
    assert map_table(path).equals(table_of().slice(0, 0))
    assert list(VectorTable([path]).pieces()) == []


def test_equal_tables_give_equal_bytes_whatever_lies_beneath_their_nulls() -> None:
    text = pa.array(["aa", "junk", "ccc", "more junk"])
    valid = pa.py_buffer(bytes([0b11110101]))  # bits after the last row are not zero
    dirty = pa.Array.from_buffers(pa.string(), 4, [valid, *text.buffers()[1:]])
    numbers = pa.array([1, 2, 99, 4], pa.uint64())
    valid = pa.py_buffer(bytes([0b11111011]))
    keys = pa.Array.from_buffers(pa.uint64(), 4, [valid, numbers.buffers()[1]])
    table = table_of(dirty, keys)
    assert table.equals(table_of())
    assert arrow_bytes(table) == arrow_bytes(table_of())


def test_equal_tables_give_equal_bytes_however_they_are_cut() -> None:
    whole = table_of()
    cut = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 2), whole.slice(3)])
    longer = pa.concat_tables([whole.slice(2), whole]).combine_chunks().slice(2)
    assert arrow_bytes(cut) == arrow_bytes(whole) == arrow_bytes(longer)


def test_a_file_cut_off_anywhere_is_named_and_never_mapped(path: Path) -> None:
    data = path.read_bytes()
    assert len(data) == 1378
    for size in range(0, len(data), 7):
        path.unlink()
        path.write_bytes(data[:size])
        for read in (
            lambda: list(read_tables([path])),
            lambda: column_names(path),
            lambda: VectorTable([path]),
        ):
            with pytest.raises(ArtifactError, match=r"safe-\w+\.arrow is missing or damaged; run"):
                read()


def test_a_file_with_its_middle_missing_is_named(path: Path) -> None:
    """Its end says where the parts were; they are beyond the end now."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:64] + data[-600:])
    with pytest.raises(ArtifactError, match="missing or damaged"):
        map_table(path)


@pytest.mark.parametrize("value", [0x00, 0x7F, 0xFF])
def test_a_changed_byte_anywhere_is_named_or_does_no_harm(path: Path, value: int) -> None:
    data = path.read_bytes()
    named = 0
    for at in range(len(data)):
        path.unlink()
        path.write_bytes(data[:at] + bytes([value]) + data[at + 1 :])
        try:
            (table,) = read_tables([path])
            assert table.num_rows == len(table.to_pylist())
            assert len(VectorTable([path]).take(np.array([0, 3]))) == 2
        except ArtifactError:
            named += 1
    assert named > 100


def test_other_files_under_the_name_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.arrow"
    for data in (b"", b"ARROW1", b"ARROW1" * 40, bytes(parquet_bytes(table_of()))):
        path.write_bytes(data)
        with pytest.raises(ArtifactError, match=r"rows\.arrow is missing or damaged"):
            map_table(path)
        path.unlink()
    with pytest.raises(ArtifactError, match=r"rows\.arrow is missing or damaged"):
        map_table(path)


def test_a_column_that_is_not_there_is_damage(path: Path) -> None:
    with pytest.raises(ArtifactError, match="missing or damaged"):
        list(read_tables([path], ["id", "caption"]))


def metadata_of(table: pa.Table) -> pq.FileMetaData:
    return pq.ParquetFile(pa.BufferReader(published_bytes(table))).metadata


def test_a_published_table_has_what_the_hub_needs_to_show_and_keep_it() -> None:
    table = pa.table({"id": [f"{number:07d}" for number in range(140_000)]})
    metadata = metadata_of(table)
    assert [metadata.row_group(i).num_rows for i in range(2)] == [131_072, 8_928]
    column = metadata.row_group(0).column(0)
    assert column.has_offset_index
    assert column.has_column_index
    assert json.loads(metadata.metadata[b"content_defined_chunking"]) == {
        "min_chunk_size": 262_144,
        "max_chunk_size": 1_048_576,
        "norm_level": 0,
    }
    assert pq.read_table(pa.BufferReader(published_bytes(table))).equals(table)
    assert bytes(published_bytes(table)) == bytes(published_bytes(table.slice(0)))


def test_row_groups_of_published_pictures_stay_far_below_what_the_viewer_scans() -> None:
    pictures = pa.table({"image": [os.urandom(2**20)] * 70})
    metadata = metadata_of(pictures)
    assert [metadata.row_group(i).num_rows for i in range(3)] == [31, 31, 8]


def test_a_row_put_first_leaves_most_bytes_of_a_published_file_as_they_were() -> None:
    pictures = [np.random.default_rng(seed).bytes(2**15) for seed in range(400)]
    whole = bytes(published_bytes(pa.table({"image": pictures})))
    longer = bytes(published_bytes(pa.table({"image": [b"new" * 9000, *pictures]})))
    parts = [whole[at : at + 4096] for at in range(0, len(whole) - 4096, 4096)]
    assert sum(part in longer for part in parts) > 0.9 * len(parts)
