"""Vectors as a column of a table: lists of one length, the rows of an array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

ENCODER_KEY = b"nsfwcaps.encoder"
"""Names the encoder in the metadata of a table's schema."""


def to_column(rows: npt.NDArray[Any], kind: pa.DataType | None = None) -> pa.FixedSizeListArray:
    """Column `[n]` of the rows `[n, d]`, in their own number format, of a schema's kind of list."""
    flat = pa.array(np.ascontiguousarray(rows).ravel())
    if kind is None:
        return pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
    return pa.FixedSizeListArray.from_arrays(flat, type=kind)


def from_column(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """Rows `[n, d]` of a column `[n]`, without a copy where it is one chunk."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(array.flatten()).reshape(-1, array.type.list_size)


def vector_table(
    wanted: pa.Schema, columns: Mapping[str, Any], rows: npt.NDArray[Any], encoder: str
) -> pa.Table:
    """Columns `[n]` and unit rows `[n, d]` in half precision, as a table that names its encoder."""
    vectors = to_column(rows.astype(np.float16, copy=False), wanted.field("vector").type)
    table = pa.table({**columns, "vector": vectors}, schema=wanted)
    return table.replace_schema_metadata({ENCODER_KEY: encoder})
