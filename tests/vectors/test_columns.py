"""Vectors to a column and back: every number in its place, in its own format."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from nsfwcaps import schema
from nsfwcaps.vectors.columns import from_column, to_column, vector_table

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int64])
@pytest.mark.parametrize("rows", [ROWS, ROWS[::2], ROWS.T, ROWS[:0]], ids=str)
def test_there_and_back(rows: np.ndarray, kind: type) -> None:
    column = to_column(rows.astype(kind))
    assert column.to_pylist() == rows.tolist()
    back = from_column(column)
    np.testing.assert_array_equal(back, rows)
    assert (back.dtype, back.shape) == (kind, rows.shape)


def test_slices_and_several_chunks() -> None:
    column = to_column(ROWS)
    np.testing.assert_array_equal(from_column(column[1:3]), ROWS[1:3])
    chunks = pa.chunked_array([column[3:], column[:2]])
    np.testing.assert_array_equal(from_column(chunks), ROWS[[3, 0, 1]])


def test_one_chunk_is_not_copied() -> None:
    column = to_column(ROWS)
    assert np.shares_memory(from_column(column), np.asarray(column.values))


def test_a_table_names_its_encoder_and_keeps_the_schema() -> None:
    wanted = schema.vectors(3, "id")
    table = vector_table(wanted, {"id": ["a", "b", "c", "d"]}, ROWS, "some digest")
    assert table.schema.equals(wanted)
    assert table.schema.metadata == {b"nsfwcaps.encoder": b"some digest"}
    np.testing.assert_array_equal(from_column(table["vector"]), ROWS)
