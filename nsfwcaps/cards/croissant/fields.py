"""Record sets and their fields: one field for each column, typed after the Arrow schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from nsfwcaps.schema import PICTURE

SPLITS = "splits"
"""Record set of the names of the splits."""

_TYPES = {
    pa.string(): "sc:Text",
    pa.large_string(): "sc:Text",
    pa.bool_(): "sc:Boolean",
    pa.float16(): "cr:Float16",
    pa.float32(): "cr:Float32",
    pa.float64(): "cr:Float64",
    **{kind: f"cr:Int{kind.bit_width}" for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())},
    **{
        kind: f"cr:UInt{kind.bit_width}"
        for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
    },
}
_SPLIT_CLASSES = {
    "train": "cr:TrainingSplit",
    "validation": "cr:ValidationSplit",
    "test": "cr:TestSplit",
}


def files_id(records: str) -> str:
    """Return the id of the file set of a record set.

    >>> files_id("pairs")
    'pairs-files'
    """
    return f"{records}-files"


def record_set(
    name: str, key: str, columns: pa.Schema, meanings: Mapping[str, str], description: str
) -> dict[str, Any]:
    """Return a record set with a field for each column."""
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "key": {"@id": f"{name}/{key}"},
        "field": [_field(name, column, meanings[column.name]) for column in columns],
    }


def splits(names: Sequence[str]) -> dict[str, Any]:
    """Return the record set that names the splits and says which is for what."""
    return {
        "@type": "cr:RecordSet",
        "@id": SPLITS,
        "name": SPLITS,
        "description": "The splits of the pairs.",
        "dataType": "cr:Split",
        "key": {"@id": f"{SPLITS}/name"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{SPLITS}/{name}",
                "name": name,
                "description": description,
                "dataType": kind,
            }
            for name, description, kind in (
                ("name", "Name of the split.", "sc:Text"),
                ("url", "What the split is for.", ["sc:URL", "cr:Split"]),
            )
        ],
        "data": [{f"{SPLITS}/name": name, f"{SPLITS}/url": _SPLIT_CLASSES[name]} for name in names],
    }


def _field(records: str, column: pa.Field, meaning: str) -> dict[str, Any]:
    name, kind = f"{records}/{column.name}", column.type
    about = {
        "@type": "cr:Field",
        "@id": name,
        "name": column.name,
        "description": meaning,
    }
    source = {"fileSet": {"@id": files_id(records)}, "extract": {"column": column.name}}
    if kind == PICTURE:
        picture = {**source, "transform": {"jsonPath": "bytes"}}
        return {**about, "dataType": "sc:ImageObject", "source": picture}
    if not pa.types.is_list(kind):
        return {**about, "dataType": _TYPES[kind], "source": source}
    array = {"isArray": True, "arrayShape": "-1"}
    if not pa.types.is_struct(kind.value_type):
        return {**about, **array, "dataType": _TYPES[kind.value_type], "source": source}
    parts = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{part.name}",
            "name": part.name,
            "description": f"{part.name} of each",
            "dataType": _TYPES[part.type],
            "source": {**source, "transform": {"jsonPath": part.name}},
        }
        for part in kind.value_type
    ]
    return {**about, **array, "subField": parts}
