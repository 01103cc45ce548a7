"""Cleaning: turn one pool row into captions, or rejections with a reason."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from nsfwcaps.captions.columns import Columns, Label, parse_label
from nsfwcaps.captions.normalize import TEXT_DIGITS, content_id, fold_key, has_hidden, normalize
from nsfwcaps.captions.readers import BadRow, Row

_ID = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)

ReadImage = Callable[[str], bytes]
"""Read an image by the path given in the pool; raises OSError if it is missing."""


@dataclass(frozen=True, slots=True)
class Clean:
    """A usable caption."""

    id: str
    label: Label
    caption: str
    fold_key: int
    category: str | None
    partner: str | None
    """Id of the safe partner of an unsafe caption, or the text half of that id."""
    image_path: str | None
    image_sha256: str | None
    image: bytes | None
    hidden: bool = False
    """Whether the raw caption held characters that hide text or spoof its display."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rejected caption, as found."""

    reason: str
    label: str | None
    raw: bytes


def clean_row(
    row: Row | BadRow,
    columns: Columns | None,
    label: Label | None,
    *,
    max_chars: int,
    read_image: ReadImage,
) -> Iterator[Clean | Rejected]:
    """Yield the captions of a row, cleaned or rejected; a list column holds several."""
    side = label.value if label else None
    if isinstance(row, BadRow):
        yield Rejected(row.reason, side, row.raw)
        return
    assert columns is not None, "a row was read, so its columns are known"
    value = row.get(columns.caption)
    side_of_row = label or parse_label(text_cell(row.get(columns.label or "")))
    picture: _Picture | None = None
    for item in (value or [None]) if isinstance(value, list) else [value]:
        caption = text_cell(item)
        if side_of_row is None:
            yield Rejected("label_unclear", None, _raw(caption))
        elif (reason := _unusable(caption, max_chars)) is not None:
            yield Rejected(reason, side_of_row, _raw(caption))
        else:
            picture = picture or _picture(row.get(columns.image or ""), read_image)
            if picture.missing:
                yield Rejected("image_missing", side_of_row, _raw(caption))
            else:
                category = text_cell(row.get(columns.category or ""))
                partner = _partner(
                    text_cell(row.get(columns.partner or "")), side_of_row, max_chars
                )
                found = _clean(normalize(str(caption)), side_of_row, category, partner, picture)
                yield replace(found, hidden=True) if has_hidden(str(caption)) else found


@dataclass(frozen=True, slots=True)
class _Picture:
    """The image cell of a row, read once even if the row holds several captions."""

    path: str | None
    sha256: str | None
    data: bytes | None
    missing: bool = False


def _picture(cell: object, read_image: ReadImage) -> _Picture:
    path, data = image_cell(cell)
    if path is None and data is None:
        return _Picture(None, None, None)
    try:
        (path or "").encode()  # raises for names that are not valid UTF-8
        sha256 = hashlib.sha256(data or read_image(str(path))).hexdigest()
    except (OSError, UnicodeEncodeError):
        return _Picture(path, None, None, missing=True)
    return _Picture(path, sha256, data)


def _partner(cell: object, label: Label, max_chars: int) -> str | None:
    """Parse a partner cell: a full id, the text half of a caption's id, or None for a flag."""
    if label is Label.SAFE or not isinstance(cell, str):
        return None
    text = normalize(cell)
    if _ID.fullmatch(text):  # check first: an id may look like a number
        return text.lower()
    if _unusable(cell, max_chars) is not None or parse_label(text) is not None:
        return None
    return content_id(text)[:TEXT_DIGITS]


def _clean(
    caption: str, label: Label, category: object, partner: str | None, picture: _Picture
) -> Clean:
    return Clean(
        id=content_id(caption, picture.sha256),
        label=label,
        caption=caption,
        fold_key=fold_key(caption),
        category=_valid(str(category)) if category not in (None, "") else None,
        partner=partner,
        image_path=picture.path,
        image_sha256=picture.sha256,
        image=picture.data,
    )


def _unusable(caption: object, max_chars: int) -> str | None:
    if not isinstance(caption, str):
        return "not_text" if caption is not None else "empty"
    if not caption.isascii() and any("\ud800" <= sign <= "\udfff" for sign in caption):
        return "invalid_utf8"
    text = normalize(caption)
    if not text:
        return "empty"
    return "too_long" if len(text) > max_chars else None


def text_cell(value: object) -> object:
    """Decode a text cell; invalid UTF-8 becomes lone surrogates."""
    return value.decode("utf-8", errors="surrogateescape") if isinstance(value, bytes) else value


def _raw(caption: object) -> bytes:
    if caption is None:
        return b""
    text = str(caption)
    try:
        return text.encode("utf-8", errors="surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate escaped in JSON, not an undecodable byte
        return text.encode("utf-8", errors="surrogatepass")


def image_cell(value: Any) -> tuple[str | None, bytes | None]:
    """Split an image cell (path, bytes, or Hugging Face's {bytes, path}) into path and bytes."""
    if isinstance(value, dict):
        path, data = value.get("path"), value.get("bytes")
        return (None, data) if data else (path or None, None)
    if isinstance(value, bytes):
        # Parquet text arrives as bytes too; a path is short, decodes and contains no NUL.
        if len(value) < 1024 and b"\0" not in value:
            try:
                return value.decode() or None, None
            except UnicodeDecodeError:
                pass
        return None, value
    return (str(value), None) if value else (None, None)


def _valid(text: str) -> str:
    return normalize(text.encode("utf-8", errors="replace").decode())
