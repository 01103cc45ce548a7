"""JSON documents: arrays and objects of several shapes, each read as a stream."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO

import ijson

from nsfwcaps.captions.formats import caption_sets, json_lines
from nsfwcaps.captions.formats.json_shapes import DocumentForm, is_id, is_image, shape_of
from nsfwcaps.captions.formats.json_stream import Document
from nsfwcaps.captions.opening import HEAD_BYTES, peeked
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.rows import BadRow, Choose, Row, row_wise
from nsfwcaps.captions.text import raw, recognised

Rows = Iterator[Row | BadRow]

_EXPECTED = (
    "no captions in JSON of this shape; expected a list of objects or of captions, alone or under "
    "one key; captions by image, id or category; COCO captions; or a Karpathy split. For JSON "
    "lines use the extension .jsonl"
)
_USUAL = (DocumentForm.OBJECTS, DocumentForm.ROWS)
_END = object()


def read(file: BinaryIO, url: str, choose: Choose, options: ReadOptions) -> Rows:
    """Read a `.json` file by the shape of what it holds; it may also hold JSON lines.

    Raises:
        InputError: it is no JSON, or of a shape that holds no captions.
    """
    file, head = peeked(file, HEAD_BYTES)
    if _has_lines(head, options):
        return json_lines.read(file, url, choose, options)
    document = Document(file=file, url=url, options=options)
    shape = shape_of(document)
    if shape.form is DocumentForm.OTHER:
        raise document.refused(_EXPECTED)
    notes = {} if shape.form in _USUAL else {"format": shape.form.value}
    if shape.form is DocumentForm.KARPATHY:
        notes["splits"] = options.split or "all"
    return row_wise(_READERS[shape.form](document, shape.keys), choose, notes)


def _has_lines(head: bytes, options: ReadOptions) -> bool:
    """Whether the first lines are objects each, as in JSON lines."""
    try:
        text = head.decode(options.encoding or recognised(head), errors="replace")
    except LookupError:  # reported when the file is decoded
        return False
    lines = [line.strip().lstrip("\ufeff") for line in text.split("\n")]
    lines = [line for line in lines if line][:2]
    if len(lines) < 2 or not all(line.startswith("{") for line in lines):
        return False
    try:
        return isinstance(json.loads(lines[0]), dict)
    except (ValueError, RecursionError):
        return False


def _objects(document: Document, keys: Sequence[str]) -> Rows:
    for prefix in [f"{key}.item" for key in keys] or ["item"]:
        with document.stream() as file:
            for item in ijson.items(file, prefix, use_float=True):
                yield item if isinstance(item, dict) else BadRow("not_an_object", raw(str(item)))


def _captions(document: Document, keys: Sequence[str]) -> Rows:
    for prefix in [f"{key}.item" for key in keys] or ["item"]:
        with document.stream() as file:
            yield from map(_caption, ijson.items(file, prefix, use_float=True))


def _caption(item: object) -> Row | BadRow:
    return {"caption": item} if isinstance(item, str) else BadRow("not_text", raw(json.dumps(item)))


def _captions_by_category(document: Document, keys: Sequence[str]) -> Rows:
    with document.stream() as file:
        for key, items in ijson.kvitems(file, "", use_float=True):
            for row in map(_caption, items if isinstance(items, list) else [items]):
                yield {**row, "category": key} if isinstance(row, dict) else row


def _whole(document: Document, keys: Sequence[str]) -> Rows:
    """One object that is a row, or several after one another, as `jq` prints them."""
    with document.stream() as file:
        for item in ijson.items(file, "", use_float=True, multiple_values=True):
            yield item if isinstance(item, dict) else BadRow("not_an_object", raw(str(item)))


def _rows_by_key(document: Document, keys: Sequence[str]) -> Rows:
    with document.stream() as file:
        for key, item in ijson.kvitems(file, "", use_float=True):
            if isinstance(item, dict):
                yield {**_named(key), **item}
            else:
                yield BadRow("not_an_object", raw(key))


def _captions_by_key(document: Document, keys: Sequence[str]) -> Rows:
    return _captions_by(document, is_id, "no_id")


def _captions_by_image(document: Document, keys: Sequence[str]) -> Rows:
    return _captions_by(document, is_image, "no_image")


def _captions_by(document: Document, belongs: Callable[[str], bool], reason: str) -> Rows:
    """Captions by key; others, such as a set's license, are no captions."""
    with document.stream() as file:
        for key, item in ijson.kvitems(file, "", use_float=True):
            if belongs(key):
                yield {**_named(key), "caption": item}
            else:
                yield BadRow(reason, raw(json.dumps({key: item})))


def _named(key: str) -> Row:
    return {"image_name" if is_image(key) else "__key__": key}


def _columns(document: Document, keys: Sequence[str]) -> Rows:
    """Columns as lists: `{"caption": ["…", "…"], "image": ["…", "…"]}`."""

    def cells(file: BinaryIO, key: str) -> Iterator[Any]:
        return iter(ijson.items(file, f"{key}.item", use_float=True))

    return _side_by_side(document, keys, cells)


def _indexed_columns(document: Document, keys: Sequence[str]) -> Rows:
    """Columns by row number, as pandas' `to_json` writes them."""

    def cells(file: BinaryIO, key: str) -> Iterator[Any]:
        return (value for _, value in ijson.kvitems(file, key, use_float=True))

    return _side_by_side(document, keys, cells)


def _side_by_side(
    document: Document, keys: Sequence[str], cells: Callable[[BinaryIO, str], Iterator[Any]]
) -> Rows:
    """Read each column by a stream of its own, so that none is held in memory."""
    with ExitStack() as stack:
        columns = [cells(stack.enter_context(document.fresh()), key) for key in keys]
        for row in itertools.zip_longest(*columns, fillvalue=_END):
            if _END in row:
                raise document.refused("its columns are lists of different lengths")
            yield dict(zip(keys, row, strict=True))


_READERS: dict[DocumentForm, Callable[[Document, Sequence[str]], Rows]] = {
    DocumentForm.OBJECTS: _objects,
    DocumentForm.CAPTIONS: _captions,
    DocumentForm.ROWS: _whole,
    DocumentForm.COLUMNS: _columns,
    DocumentForm.INDEXED_COLUMNS: _indexed_columns,
    DocumentForm.ROWS_BY_KEY: _rows_by_key,
    DocumentForm.LISTS: _captions,
    DocumentForm.CAPTIONS_BY_KEY: _captions_by_key,
    DocumentForm.CAPTIONS_BY_IMAGE: _captions_by_image,
    DocumentForm.CAPTIONS_BY_CATEGORY: _captions_by_category,
    DocumentForm.COCO: lambda document, _: caption_sets.coco(document),
    DocumentForm.KARPATHY: lambda document, _: caption_sets.karpathy(document),
}
