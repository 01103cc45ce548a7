"""What the values of a column are: text, flags, numbers, names of image files, and so on."""

from __future__ import annotations

import ast
import enum
import json
import re
from collections.abc import Sequence
from typing import Any

_UNSAFE_WORDS = frozenset({"unsafe", "nsfw", "harmful", "true", "yes", "1"})
_SAFE_WORDS = frozenset({"safe", "sfw", "unlikely", "false", "no", "0"})
_FLAG_WORDS = _UNSAFE_WORDS | _SAFE_WORDS | {"unsure"}
_IMAGE_FILE = re.compile(
    r"[^\n]{1,400}\.(?:jpe?g|png|webp|gif|bmp|tiff?|ppm|jfif|avif)", re.IGNORECASE
)
_URL = re.compile(r"[a-z][a-z0-9+]*://\S+\Z", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d[\d.,]*(?:e[-+]?\d+)?\Z", re.IGNORECASE)
_ID = re.compile(r"[0-9a-f]{8,64}\Z|[0-9]+\Z", re.IGNORECASE)
_HALF = 0.5


class Kind(enum.StrEnum):
    """Kind of a column's values."""

    EMPTY = "no values"
    TEXT = "text"
    LISTED = "lists of text"
    """Text that is a list, as JSON or as Python prints it."""
    FLAG = "flags"
    NUMBER = "numbers"
    IMAGE_FILE = "names of image files"
    URL = "addresses"
    BYTES = "bytes"
    NESTED = "nested values"

    @property
    def may_be_caption(self) -> bool:
        """Whether a column with a caption's name holds captions."""
        return self in (Kind.TEXT, Kind.LISTED, Kind.EMPTY, Kind.BYTES, Kind.NESTED)

    @property
    def may_be_image(self) -> bool:
        """Whether a column with an image's name holds images or paths to them."""
        return self not in (Kind.LISTED, Kind.FLAG, Kind.NUMBER)


def kind_of(values: Sequence[object]) -> Kind:
    """Kind of most of a column's values; lists count by their items.

    >>> kind_of(["a vase", "a cup"]).value, kind_of(["1", "0"]).value, kind_of(["a.jpg"]).value
    ('text', 'flags', 'names of image files')
    """
    kinds = [kind for value in values for kind in _kinds(value)]
    if not kinds:
        return Kind.EMPTY
    texts = kinds.count(Kind.TEXT)
    if kinds.count(Kind.LISTED) >= _HALF * len(kinds):
        return Kind.LISTED
    # Real pools have some odd rows: captions that are a number or a file's name.
    if texts >= _HALF * len(kinds):
        return Kind.TEXT
    most = max(dict.fromkeys(kinds), key=kinds.count)
    if most is Kind.NUMBER and _all_flags(values):
        return Kind.FLAG
    return most


def parse_flag(value: object) -> bool | None:
    """Parse a flag: True for unsafe. Words and flags of public sets; numbers from 0.5 to 1.

    Returns None if it is undecided (LAION's `UNSURE`), empty, or a class number above 1.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return None if not 0 <= value <= 1 else value >= _HALF
    word = str(value).strip().casefold() if value is not None else ""
    if word in _UNSAFE_WORDS:
        return True
    if word in _SAFE_WORDS:
        return False
    try:
        return parse_flag(float(word))
    except ValueError:
        return None


def parsed_list(text: str) -> list[Any] | None:
    """Parse a cell of text that holds a list of texts; None if it does not."""
    stripped = text.strip()
    if not (stripped.startswith("[") and stripped.endswith("]")):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(stripped)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list) and found and all(isinstance(item, str) for item in found):
            return found
    return None


def text_cell(value: object) -> object:
    """Decode a text cell; invalid UTF-8 becomes lone surrogates."""
    return value.decode("utf-8", errors="surrogateescape") if isinstance(value, bytes) else value


def _kinds(value: object) -> list[Kind]:
    value = text_cell(value)
    if isinstance(value, list):
        return [kind for item in value for kind in _kinds(item)]
    if isinstance(value, dict):
        return [Kind.NESTED]
    if isinstance(value, bool):
        return [Kind.FLAG]
    if isinstance(value, int | float):
        return [Kind.NUMBER]
    if not isinstance(value, str) or not value.strip():
        return []
    return [_kind_of_text(value.strip())]


def _kind_of_text(text: str) -> Kind:
    if _NUMBER.match(text):
        return Kind.NUMBER
    if text.casefold() in _FLAG_WORDS:
        return Kind.FLAG
    if _URL.match(text):
        return Kind.URL
    if _IMAGE_FILE.fullmatch(text) and " " not in text.rpartition("/")[2].strip():
        return Kind.IMAGE_FILE
    return Kind.LISTED if parsed_list(text) else Kind.TEXT


def _all_flags(values: Sequence[object]) -> bool:
    """Whether numbers are flags: only 0 and 1."""
    found = {str(text_cell(value)).strip() for value in values}
    return found <= {"0", "1", "0.0", "1.0", "True", "False", "true", "false", ""}
