"""The shape of a JSON document: where in it the rows are."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

import ijson

from nsfwcaps.captions.choices import chosen
from nsfwcaps.captions.column_names import CAPTION_WORDS, folded
from nsfwcaps.captions.formats.json_stream import Document
from nsfwcaps.captions.opening import shown

_ENOUGH_KEYS = 1000
# Names of captions that are as common for what describes a whole file.
_OF_FILES = frozenset({"description", "comment"})
_SCALARS = frozenset({"string", "number", "boolean", "null"})


class DocumentForm(enum.StrEnum):
    """How a document holds its rows; the values are for the record of a run."""

    OBJECTS = "list of objects"
    CAPTIONS = "list of captions"
    ROWS = "objects"
    COLUMNS = "lists by column"
    INDEXED_COLUMNS = "values by column and row"
    ROWS_BY_KEY = "objects by key"
    CAPTIONS_BY_KEY = "captions by key"
    COCO = "COCO captions"
    KARPATHY = "Karpathy split"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The form of a document, and the keys at its top that hold the rows or columns."""

    form: DocumentForm
    keys: list[str] = field(default_factory=list)


class _Value(enum.Enum):
    TEXT = enum.auto()
    TEXTS = enum.auto()
    NUMBERS = enum.auto()
    OBJECTS = enum.auto()
    MAP = enum.auto()
    MAP_OF_OBJECTS = enum.auto()
    OTHER = enum.auto()


_OF_ITEM = {"string": _Value.TEXTS, "start_map": _Value.OBJECTS}


def shape_of(document: Document) -> Shape:
    """Recognise the shape of a document, as early in it as can be.

    Raises:
        InputError: it is no JSON, or `--split` must say which of its lists are meant.
    """
    with document.stream() as file:
        events = ijson.parse(file, multiple_values=True)
        _, first, _ = next(events, ("", "end_array", None))
        if first == "start_array":
            _, item, _ = next(events)
            return Shape(form=DocumentForm.CAPTIONS if item == "string" else DocumentForm.OBJECTS)
        if first != "start_map":
            return Shape(form=DocumentForm.OTHER)
        found = _fields(events)
    return found if isinstance(found, Shape) else _decided(found, document)


def _fields(events: Iterator[tuple[str, str, object]]) -> dict[str, _Value] | Shape:
    """The values at the top of an object, or its shape if a caption set's keys come up."""
    fields: dict[str, _Value] = {}
    key = inner = ""
    for prefix, event, value in events:
        if prefix == "":
            if event == "end_map" or len(fields) > _ENOUGH_KEYS:
                break
            key = str(value)
            fields[key] = _Value.OTHER
        elif prefix == "images.item.sentences" and event == "start_array":
            return Shape(form=DocumentForm.KARPATHY)
        elif prefix == key and event == "start_array":
            if key == "annotations":
                return Shape(form=DocumentForm.COCO)
            fields[key] = _Value.NUMBERS
        elif prefix == key and event == "start_map":
            fields[key] = _Value.MAP
            inner = ""
        elif prefix == key and event == "string":
            fields[key] = _Value.TEXT
        elif prefix == key and event == "map_key":
            inner = f"{key}.{value}"
        elif prefix == inner and event == "start_map":
            fields[key] = _Value.MAP_OF_OBJECTS
        elif prefix == f"{key}.item" and event in _OF_ITEM:
            fields[key] = _OF_ITEM[event]
    return fields


def _decided(fields: dict[str, _Value], document: Document) -> Shape:
    kinds = set(fields.values())
    captions = {key for key in fields if folded(key) in CAPTION_WORDS}
    objects = [key for key, value in fields.items() if value is _Value.OBJECTS]
    if objects and {folded(key) for key in captions} <= _OF_FILES:
        return Shape(form=DocumentForm.OBJECTS, keys=_lists(objects, document))
    if captions and len(fields) > 1 and kinds <= {_Value.TEXTS, _Value.NUMBERS}:
        return Shape(form=DocumentForm.COLUMNS, keys=list(fields))
    if captions and kinds == {_Value.MAP}:
        return Shape(form=DocumentForm.INDEXED_COLUMNS, keys=list(fields))
    if captions:
        return Shape(form=DocumentForm.ROWS)
    if kinds <= {_Value.MAP, _Value.MAP_OF_OBJECTS} and fields:
        return Shape(form=DocumentForm.ROWS_BY_KEY)
    if kinds <= {_Value.TEXT, _Value.TEXTS} and fields:
        return Shape(form=DocumentForm.CAPTIONS_BY_KEY)
    return Shape(form=DocumentForm.OTHER)


def _lists(keys: list[str], document: Document) -> list[str]:
    """Of several lists of objects, which are mostly splits, those asked for."""
    if len(keys) == 1:
        return keys
    asked = document.options.split
    return chosen(keys, asked, option="--split", what="lists", where=shown(document.url))
