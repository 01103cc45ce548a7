"""Conversion of in-memory captions and rows to Arrow data.

Values of pandas, pyarrow, polars, numpy and `datasets` are recognised by duck typing, without
importing the library.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from nsfwcaps.captions.tables.class_labels import named_classes
from nsfwcaps.errors import InputError

CAPTION = "caption"


def table_of(value: Any, *, where: str) -> pa.Table:
    """Convert a table, or a column of captions to a table with the single column `caption`.

    Class labels of `datasets` become their names.

    Raises:
        InputError: the value is neither, or a text is not valid Unicode.
    """
    try:
        table = _table(value, where)
        if table is not None:
            table = named_classes(table, table.schema)
        else:
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
    if _table(value, where) is not None:
        raise InputError(f"{where}: expected captions, got a table; pass its caption column")
    items: list[Any] = _strings(_column(value, where), where).to_pylist()
    missing = next((row for row, item in enumerate(items) if item is None), None)
    if missing is not None:
        raise InputError(f"{where}: item {missing} is null; remove it")
    return items


def _table(value: Any, where: str) -> pa.Table | None:
    """The value as a table, or None if it is not one.

    Raises:
        InputError: the value holds several tables, is a stream, or has two columns of one name.
    """
    if isinstance(value, pa.Table):
        return value
    if isinstance(value, pa.RecordBatch):
        return pa.Table.from_batches([value])
    if hasattr(value, "with_format") and hasattr(value, "column_names"):  # datasets.Dataset
        return _of_datasets(value, where)
    if _is_pandas(value) and hasattr(value, "columns") and hasattr(value, "iloc"):
        return _of_pandas(value, where)
    if hasattr(value, "__arrow_c_stream__") and hasattr(value, "columns"):  # polars and others
        return pa.table(value)
    return None


def _of_datasets(value: Any, where: str) -> pa.Table:
    """All rows of a `datasets.Dataset`."""
    kind = type(value).__name__
    if isinstance(value, Mapping):
        raise InputError(f"{where}: {kind} holds splits; choose one, such as value['train']")
    if not hasattr(value, "__getitem__") or not hasattr(value, "__len__"):
        raise InputError(
            f"{where}: {kind} is a stream; pass datasets.Dataset.from_list(list(value)), or the "
            "files themselves"
        )
    if getattr(value, "format", {}).get("type") == "custom":
        raise InputError(
            f"{where}: {kind} has a transform, which files cannot hold; apply it with map(), or "
            "remove it with with_format(None)"
        )
    return value.with_format("arrow")[:]


def _of_pandas(frame: Any, where: str) -> pa.Table:
    """A frame's columns, and the levels of its index that have a name."""
    names = [*frame.columns]
    levels = [at for at, name in enumerate(frame.index.names) if name is not None]
    added = [at for at in levels if frame.index.names[at] not in names]
    if added:
        frame = frame.reset_index(level=added)
    if not frame.columns.is_unique:  # names are not printed: a frame without a header has captions
        raise InputError(f"{where}: several columns have the same name; rename all but one")
    return pa.Table.from_pandas(frame, preserve_index=False)


def _column(value: Any, where: str) -> pa.ChunkedArray:
    """The value as a single column."""
    if isinstance(value, pa.ChunkedArray):
        return value
    if isinstance(value, pa.Array):
        return pa.chunked_array([value])
    if _is_pandas(value) and hasattr(value, "dtype"):
        return pa.chunked_array([pa.Array.from_pandas(value)])
    if hasattr(value, "__arrow_c_stream__"):
        return pa.chunked_array(value)
    is_scalar = not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0
    if is_scalar or isinstance(value, str | bytes | Mapping):
        raise InputError(
            f"{where}: expected captions (a list of str, or a pandas, pyarrow or datasets "
            f"column) or a table, got {type(value).__name__}"
        )
    items = [None if _is_missing(item) else item for item in value]
    wrong = next((row for row, item in enumerate(items) if not isinstance(item, str | None)), None)
    if wrong is not None:
        raise InputError(
            f"{where}: item {wrong} is {type(items[wrong]).__name__}; a list must contain only "
            "captions (str) or only files (pathlib.Path); pass rows as a table"
        )
    return pa.chunked_array([pa.array(items, pa.string())])


def _is_missing(item: Any) -> bool:
    """Tell whether an item is a missing value: None, NaN, or pandas' NA; ingest counts it."""
    is_nan = isinstance(item, float) and math.isnan(item)
    return item is None or is_nan or type(item).__name__ in ("NAType", "NaTType")


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
