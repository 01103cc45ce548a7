"""The shape of a JSON document: where in it the rows are."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

import ijson

from nsfwcaps.captions.folders.choices import chosen
from nsfwcaps.captions.folders.members import IMAGE_ENDINGS, suffix
from nsfwcaps.captions.folders.split_names import side_of, split_of
from nsfwcaps.captions.formats.json_stream import Document
from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.tables.column_names import CAPTION_WORDS, folded

_ENOUGH_KEYS = 1000
# Names of captions that are as common for what describes a whole file.
_OF_FILES = frozenset({"description", "comment"})
_WRAPPERS = frozenset({"data", "rows", "items", "list", "examples", "samples", "results"})
_SCALARS = frozenset({"string", "number", "boolean", "null"})


class DocumentForm(enum.StrEnum):
    """How a document holds its rows; the values are for the record of a run."""

    OBJECTS = "list of objects"
    CAPTIONS = "list of captions"
    ROWS = "objects"
    COLUMNS = "lists by column"
    INDEXED_COLUMNS = "values by column and row"
    ROWS_BY_KEY = "objects by key"
    LISTS = "lists of captions by split"
    CAPTIONS_BY_KEY = "captions by key"
    CAPTIONS_BY_IMAGE = "captions by image"
    CAPTIONS_BY_CATEGORY = "captions by category"
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
    if objects and (kinds == {_Value.OBJECTS} or {*map(folded, captions)} <= _OF_FILES):
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
        return _by_key(fields, document)
    return Shape(form=DocumentForm.OTHER)


def _by_key(fields: dict[str, _Value], document: Document) -> Shape:
    """What the keys of captions are: images, ids, splits, or categories."""
    if any(is_image(key) for key in fields):
        return Shape(form=DocumentForm.CAPTIONS_BY_IMAGE)
    if all(value is _Value.TEXTS for value in fields.values()):
        sides = {side_of(key) for key in fields}
        splits = all(split_of(f"{key}.json") for key in fields)
        if splits or {"safe", "unsafe"} <= sides or {*map(folded, fields)} <= _WRAPPERS:
            return Shape(form=DocumentForm.LISTS, keys=_lists(list(fields), document))
        if not any(is_id(key) for key in fields):
            return Shape(form=DocumentForm.CAPTIONS_BY_CATEGORY)
    if 2 * sum(map(is_id, fields)) > len(fields):
        return Shape(form=DocumentForm.CAPTIONS_BY_KEY)
    return Shape(form=DocumentForm.OTHER)


def is_image(key: str) -> bool:
    """Whether a key is the name of an image file."""
    return suffix(key) in IMAGE_ENDINGS


def is_id(key: str) -> bool:
    """Whether a key may be an id or an address: `391895`, `n01_7`, `a/b`; names are words."""
    return any(sign.isdigit() or sign == "/" for sign in key)


def _lists(keys: list[str], document: Document) -> list[str]:
    """Of several lists of objects, which are mostly splits, those asked for."""
    if len(keys) == 1:
        return keys
    asked = document.options.split
    return chosen(keys, asked, option="--split", what="lists", where=shown(document.url))
