"""Class labels of the `datasets` library: numbers in the column, their names in the metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

_LISTS = ("Sequence", "List", "LargeList")

T = TypeVar("T", pa.Table, pa.RecordBatch)


def named_classes(rows: T, schema: pa.Schema) -> T:
    """Replace class numbers by their names, which `datasets` writes into a schema's metadata.

    A null and −1, which `datasets` writes for an unknown class, are null. A number without a name
    stays, as text. Lists of classes become lists of names, without unknown ones. Rows without class
    labels are returned as they are.

    Args:
        rows: Columns of the file, any of them.
        schema: Schema of the file, with its metadata.

    >>> features = {"rating": {"_type": "ClassLabel", "names": ["mild", "strong"]}}
    >>> note = json.dumps({"info": {"features": features}})
    >>> table = pa.table({"rating": [1, 0, -1]}).replace_schema_metadata({"huggingface": note})
    >>> named_classes(table, table.schema)["rating"].to_pylist()
    ['strong', 'mild', None]
    """
    for column, names in _classes(schema).items():
        positions = [at for at, name in enumerate(rows.schema.names) if name == column]
        for at in positions:
            kind = rows.schema.field(at).type
            if pa.types.is_integer(kind):
                rows = rows.set_column(at, column, _named(rows.column(at), names))
            elif _is_list(kind) and pa.types.is_integer(kind.value_type):
                rows = rows.set_column(at, column, _named_lists(rows.column(at), names))
    return rows


def _classes(schema: pa.Schema) -> dict[str, Sequence[str]]:
    """Names of the classes by column; empty if the metadata has none, or is damaged."""
    try:
        found: Any = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = found["info"]["features"].items()
        inner = {column: _item(feature) for column, feature in features}
        return {
            column: [str(name) for name in feature["names"]]
            for column, feature in inner.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def _item(feature: Any) -> Any:
    """The feature of a list's items, as each version of `datasets` writes it; else the feature."""
    if isinstance(feature, list) and len(feature) == 1:
        return feature[0]
    is_list = isinstance(feature, dict) and feature.get("_type") in _LISTS
    return feature["feature"] if is_list else feature


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _named(numbers: Any, names: Sequence[str]) -> Any:
    """A column of class numbers as their names."""
    number = numbers.cast(pa.int64())
    known = pc.and_(pc.greater_equal(number, 0), pc.less(number, len(names)))
    name = pc.take(pa.array(names, pa.string()), pc.if_else(known, number, None))
    none = pa.scalar(None, pa.string())
    other = pc.if_else(pc.equal(number, -1), none, number.cast(pa.string()))
    return pc.if_else(known, name, other)


def _named_lists(lists: Any, names: Sequence[str]) -> pa.Array:
    """A column of lists of class numbers as lists of their names."""
    found = [
        None if cell is None else _named(pa.array(cell, pa.int64()), names).drop_null().to_pylist()
        for cell in lists.to_pylist()
    ]
    return pa.array(found, pa.list_(pa.string()))
