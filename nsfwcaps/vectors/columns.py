"""Conversion between arrays of vectors and Arrow columns of fixed-size lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

ENCODER_KEY = b"nsfwcaps.encoder"
"""Key of the encoder's name in the schema metadata."""


def to_column(rows: npt.NDArray[Any], kind: pa.DataType | None = None) -> pa.FixedSizeListArray:
    """Column `[n]` from rows `[n, d]`, of list type `kind`; by default, one of the rows' dtype."""
    flat = pa.array(np.ascontiguousarray(rows).ravel())
    if kind is None:
        return pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
    return pa.FixedSizeListArray.from_arrays(flat, type=kind)


def from_column(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """Rows `[n, d]` from a column `[n]`, without a copy if it has one chunk."""
    array = whole(column) if isinstance(column, pa.ChunkedArray) else column
    # numpy.asarray would import pandas, which takes as long as a search of 25,000 rows.
    return np.from_dlpack(array.flatten()).reshape(-1, array.type.list_size)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Array of all chunks; of a single chunk, a view (`combine_chunks` copies even that)."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def vector_table(
    wanted: pa.Schema, columns: Mapping[str, Any], rows: npt.NDArray[Any], encoder: str
) -> pa.Table:
    """Table of columns `[n]` and half-precision vectors `[n, d]`; metadata names the encoder."""
    vectors = to_column(rows.astype(np.float16, copy=False), wanted.field("vector").type)
    table = pa.table({**columns, "vector": vectors}, schema=wanted)
    return table.replace_schema_metadata({ENCODER_KEY: encoder})
