"""Cleaning: turn one pool row into captions, or rejections with a reason."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nsfwcaps.captions import null_words as missing
from nsfwcaps.captions.folders.split_names import canonical
from nsfwcaps.captions.images import ImageTemplate
from nsfwcaps.captions.normalize import TEXT_DIGITS, content_id, fold_key, has_hidden, normalize
from nsfwcaps.captions.rows import BadRow, Row
from nsfwcaps.captions.tables import paths
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.captions.tables.columns import label_of
from nsfwcaps.captions.tables.roles import Columns
from nsfwcaps.captions.tables.values import parse_flag, parsed_list, parsed_object, text_cell
from nsfwcaps.captions.text import raw

_ID = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_COMMA = re.compile(",")
_DIVIDERS = re.compile(r"[,;|]")
"""Dividers in a column whose name is a plural, such as `tags`."""

ReadImage = Callable[[str], bytes]
"""Read an image by the path given in the pool; raises OSError if it is missing."""


@dataclass(slots=True)  # not frozen: one is made for every caption, in half the time
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
    labels: int = 1
    """Number of categories in the row; the first is used."""
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
    template: ImageTemplate | None = None,
    null_words: bool = True,
) -> Iterator[Clean | Rejected]:
    """Yield the captions of a row, cleaned or rejected; a list column holds several.

    With `null_words`, captions that are words for a missing value or no words are rejected.
    """
    side = label.value if label else None
    if isinstance(row, BadRow):
        yield Rejected(row.reason, side, row.raw)
        return
    assert columns is not None, "a row was read, so its columns are known"
    if columns.split is not None and _split(row, columns.split) not in columns.splits:
        return
    flag = columns.flag or columns.label
    flagged = label_of(text_cell(row.get(flag)), flag) if flag else None
    side_of_row = label or flagged
    picture: _Picture | None = None
    for caption in captions_of(row, columns):
        if side_of_row is None:
            yield Rejected("label_unclear", None, _raw(caption))
        elif (reason := _unusable(caption, max_chars)) is not None or (
            null_words
            and (reason := missing.problem(normalize(str(caption)), columns.caption)) is not None
        ):
            yield Rejected(reason, side_of_row, _raw(caption))
        elif flagged not in (None, side_of_row):
            yield Rejected(f"flagged_{flagged}", side_of_row, _raw(caption))
        else:
            picture = picture or _picture(_image_cell(row, columns, template), read_image)
            if picture.missing:
                yield Rejected("image_missing", side_of_row, _raw(caption))
            else:
                yield _clean(row, columns, str(caption), side_of_row, picture, max_chars)


def _split(row: Row, column: str) -> str:
    return canonical(str(text_cell(row.get(column))).strip())


def captions_of(row: Row, columns: Columns) -> list[object]:
    """The captions of a row, at least one; None for a row without any."""
    value = text_cell(row.get(columns.caption))
    if isinstance(value, str) and not columns.path and not columns.listed:
        return [value]
    found: list[object]
    if columns.path:
        if isinstance(value, str):
            value = parsed_object(value) or value
        found = paths.captions(value, columns.path)
    elif columns.listed and isinstance(value, str):
        found = parsed_list(value) or [value]
    else:
        found = value if isinstance(value, list) else [value]
    return [text_cell(item) for item in found] or [None]


def _image_cell(row: Row, columns: Columns, template: ImageTemplate | None) -> object:
    if template is not None:
        return template.path(row)
    return row.get(columns.image) if columns.image is not None else None


@dataclass(frozen=True, slots=True)
class _Picture:
    """The image cell of a row, read once even if the row holds several captions."""

    path: str | None
    sha256: str | None
    data: bytes | None
    missing: bool = False


_NO_PICTURE = _Picture(None, None, None)


def _picture(cell: object, read_image: ReadImage) -> _Picture:
    path, data = image_cell(cell)
    if path is None and data is None:
        return _NO_PICTURE
    try:
        (path or "").encode()  # raises for names that are not valid UTF-8
        sha256 = hashlib.sha256(data or read_image(str(path))).hexdigest()
    except (OSError, UnicodeEncodeError):
        return _Picture(path, None, None, missing=True)
    return _Picture(path, sha256, data)


def _partner(cell: object, label: Label, max_chars: int) -> str | None:
    """Parse a partner cell: a full id, the text half of a caption's id, or None for a flag."""
    if label is Label.SAFE or not isinstance(cell, str) or missing.is_null_word(cell):
        return None
    text = normalize(cell)
    if _ID.fullmatch(text):  # check first: an id may look like a number
        return text.lower()
    if _unusable(cell, max_chars) is not None or parse_flag(text) is not None:
        return None
    return content_id(text)[:TEXT_DIGITS]


def _clean(
    row: Row, columns: Columns, raw_caption: str, label: Label, picture: _Picture, max_chars: int
) -> Clean:
    caption = normalize(raw_caption)
    categories = _categories(_cell(row, columns.category), columns.category or "")
    return Clean(
        id=content_id(caption, picture.sha256),
        label=label,
        caption=caption,
        fold_key=fold_key(caption),
        category=categories[0] if categories else None,
        partner=_partner(_cell(row, columns.partner), label, max_chars),
        image_path=picture.path,
        image_sha256=picture.sha256,
        image=picture.data,
        labels=len(categories),
        hidden=has_hidden(raw_caption),
    )


def _cell(row: Row, column: str | None) -> object:
    return None if column is None else text_cell(row.get(column))


def _categories(cell: object, column: str) -> list[str]:
    """The categories in a cell: several in a list, or divided by commas, as in I2P."""
    if cell is None or cell == "":
        return []
    if isinstance(cell, str) and cell.startswith("{"):
        cell = parsed_object(cell) or cell
    if isinstance(cell, str):
        divider = _DIVIDERS if column.rstrip().casefold().endswith("s") else _COMMA
        parts: list[object] = list(parsed_list(cell) or divider.split(cell))
    elif isinstance(cell, dict):  # BeaverTails: flags by category
        parts = [name for name, flag in cell.items() if flag is True]
    else:
        parts = list(cell) if isinstance(cell, list) else [cell]
    found = (_valid(_category(text_cell(part))) for part in parts if part is not None)
    return [text for text in found if text and not missing.is_null_word(text)]


def _category(part: object) -> str:
    # pandas turns class numbers with a gap among them into floats.
    return str(int(part)) if isinstance(part, float) and part.is_integer() else str(part)


def _unusable(caption: object, max_chars: int) -> str | None:
    if not isinstance(caption, str):
        is_missing = caption is None or missing.is_null_word(caption)  # pandas' float NaN
        return "empty" if is_missing else "not_text"
    if not caption.isascii() and any("\ud800" <= sign <= "\udfff" for sign in caption):
        return "invalid_utf8"
    text = normalize(caption)
    if not text:
        return "empty"
    return "too_long" if len(text) > max_chars else None


def _raw(caption: object) -> bytes:
    return b"" if caption is None else raw(str(caption))


def image_cell(value: Any) -> tuple[str | None, bytes | None]:
    """Split an image cell (path, bytes, or Hugging Face's {bytes, path}) into path and bytes.

    A word for a missing value, such as `nan`, is no path.
    """
    if isinstance(value, dict):
        path, data = value.get("path") or value.get("url"), value.get("bytes")
        return (None, data) if data else (path or None, None)
    if isinstance(value, list) and len(value) == 1:
        return image_cell(value[0])
    if isinstance(value, bytes):
        # Parquet text arrives as bytes too; a path is short, decodes and contains no NUL.
        if len(value) < 1024 and b"\0" not in value:
            try:
                return image_cell(value.decode())
            except UnicodeDecodeError:
                pass
        return None, value
    return (str(value), None) if value and not missing.is_null_word(value) else (None, None)


def _valid(text: str) -> str:
    return normalize(text.encode("utf-8", errors="replace").decode())
