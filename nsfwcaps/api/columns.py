"""Conversion of in-memory captions and rows to Arrow data.

Values of pandas, pyarrow, polars, numpy and `datasets` are recognised by duck typing, without
importing the library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from nsfwcaps.errors import InputError

CAPTION = "caption"


def table_of(value: Any, *, where: str) -> pa.Table:
    """Convert a table, or a column of captions to a table with the single column `caption`.

    Raises:
        InputError: the value is neither, or a text is not valid Unicode.
    """
    try:
        table = _table(value)
        if table is None:
            table = pa.table({CAPTION: _strings(_column(value, where), where)})
        fields = [field.with_type(_plain(field.type)) for field in table.schema]
        table = table.cast(pa.schema(fields))
    except UnicodeEncodeError:  # its message quotes the text
        raise InputError(f"{where}: a text is not valid Unicode; remove it") from None
    except pa.ArrowException as error:
        kind = type(error).__name__
        raise InputError(
            f"{where}: cannot convert {type(value).__name__} to an Arrow table ({kind})"
        ) from None
    return table.replace_schema_metadata(None).combine_chunks()


def captions_of(value: Any, *, where: str) -> list[str]:
    """Captions of a list or a column.

    Raises:
        InputError: the value is neither, or an item is not text.
    """
    if _table(value) is not None:
        raise InputError(f"{where}: expected captions, got a table; pass its caption column")
    items: list[Any] = _strings(_column(value, where), where).to_pylist()
    missing = next((row for row, item in enumerate(items) if item is None), None)
    if missing is not None:
        raise InputError(f"{where}: item {missing} is null; remove it")
    return items


def _table(value: Any) -> pa.Table | None:
    """The value as a table, or None if it is not one."""
    if isinstance(value, pa.Table):
        return value
    if isinstance(value, pa.RecordBatch):
        return pa.Table.from_batches([value])
    if hasattr(value, "with_format") and hasattr(value, "column_names"):  # datasets.Dataset
        return value.with_format("arrow")[:]
    if _is_pandas(value) and hasattr(value, "columns"):
        return pa.Table.from_pandas(value, preserve_index=False)
    if hasattr(value, "__arrow_c_stream__") and hasattr(value, "columns"):  # polars and others
        return pa.table(value)
    return None


def _column(value: Any, where: str) -> pa.ChunkedArray:
    """The value as a single column."""
    if isinstance(value, pa.ChunkedArray):
        return value
    if isinstance(value, pa.Array):
        return pa.chunked_array([value])
    if _is_pandas(value):
        return pa.chunked_array([pa.Array.from_pandas(value)])
    if hasattr(value, "__arrow_c_stream__"):
        return pa.chunked_array(value)
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        raise InputError(
            f"{where}: expected captions (a list of str, or a pandas, pyarrow or datasets "
            f"column), got {type(value).__name__}"
        )
    items = list(value)
    wrong = next((row for row, item in enumerate(items) if not isinstance(item, str)), None)
    if wrong is not None:
        raise InputError(
            f"{where}: item {wrong} is {type(items[wrong]).__name__}; a list must contain only "
            "captions (str) or only files (pathlib.Path)"
        )
    return pa.chunked_array([pa.array(items, pa.string())])


def _strings(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """The column as large strings."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (_plain(kind) == pa.large_string() or pa.types.is_null(kind)):
        raise InputError(f"{where}: expected a column of strings, got {kind}")
    return column.cast(pa.large_string())


def _plain(kind: pa.DataType) -> pa.DataType:
    """Unify the string types, so that the file does not depend on the library."""
    is_text = (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
    return pa.large_string() if is_text else kind


def _is_pandas(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas"
