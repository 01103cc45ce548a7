"""JSON documents: an array of objects, or COCO's and NoCaps' captions."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import BinaryIO

import ijson

from nsfwcaps.captions.formats import json_lines
from nsfwcaps.captions.opening import HEAD_BYTES, shown
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.rows import BadRow, Choose, Row, row_wise
from nsfwcaps.captions.text import raw
from nsfwcaps.errors import InputError


def read(file: BinaryIO, url: str, choose: Choose, options: ReadOptions) -> Iterator[Row | BadRow]:
    """Read a `.json` file: an array of objects, a COCO object, or JSON lines."""
    _rewind(file)
    head = file.read(HEAD_BYTES).lstrip()
    _rewind(file)
    if head.startswith(b"["):
        return row_wise(_array(file, url), choose)
    first_line = head.split(b"\n", 1)[0]
    if _is_object(first_line):
        return json_lines.read(file, url, choose, options)
    return row_wise(_coco(file, url), choose)


def _rewind(file: BinaryIO) -> None:
    """Seek to the first byte of JSON, past a byte order mark."""
    file.seek(0)
    if file.read(3) != codecs.BOM_UTF8:
        file.seek(0)


def _is_object(line: bytes) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    return isinstance(row, dict) and "annotations" not in row


def _array(file: BinaryIO, url: str) -> Iterator[Row | BadRow]:
    try:
        for item in ijson.items(file, "item", use_float=True):
            yield item if isinstance(item, dict) else BadRow("not_an_object", raw(str(item)))
    except ijson.JSONError:
        raise InputError(f"{shown(url)}: invalid JSON; fix the file") from None


def _coco(file: BinaryIO, url: str) -> Iterator[Row | BadRow]:
    """Read COCO captions or NoCaps: file names in `images[]`, captions in `annotations[]`."""
    try:
        names = {image["id"]: image.get("file_name") for image in ijson.items(file, "images.item")}
        _rewind(file)
        found = False
        for note in ijson.items(file, "annotations.item"):
            found = True
            yield {"caption": note.get("caption"), "image_name": names.get(note.get("image_id"))}
    except (ijson.JSONError, KeyError, AttributeError, TypeError):
        raise InputError(f"{shown(url)}: not valid COCO captions JSON; fix the file") from None
    if not found:
        raise InputError(
            f"{shown(url)}: expected COCO captions, found no annotations[]; "
            "for JSON lines use the extension .jsonl"
        )
