"""What the values of a column are: text, flags, numbers, names of image files, and so on."""

from __future__ import annotations

import ast
import enum
import json
import re
from collections.abc import Sequence
from typing import Any

_UNSAFE_WORDS = frozenset(
    {
        "unsafe",
        "nsfw",
        "harmful",
        "true",
        "yes",
        "y",
        "t",
        "on",
        "1",
        "likely",
        "very_likely",
        "very likely",
    }
)
_SAFE_WORDS = frozenset(
    {
        "safe",
        "sfw",
        "false",
        "no",
        "n",
        "f",
        "off",
        "0",
        "unlikely",
        "very_unlikely",
        "very unlikely",
    }
)
_FLAG_WORDS = _UNSAFE_WORDS | _SAFE_WORDS | {"unsure", "possible"}
_LONGEST_LIST = 20_000
"""Characters of a cell that is parsed as a list, at most."""
_NEIGHBOURS = re.compile(r"(['\"])\s+(?=['\"])")
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
    SCORE = "scores from 0 to 1"
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
        return self not in (Kind.LISTED, Kind.FLAG, Kind.SCORE, Kind.NUMBER)

    @property
    def may_be_flag(self) -> bool:
        """Whether a column with a flag's name says the side of a row."""
        return self in (Kind.FLAG, Kind.SCORE, Kind.EMPTY)


def kind_of(values: Sequence[object]) -> Kind:
    """Kind of most of a column's values; lists count by their items.

    >>> kind_of(["a vase", "a cup"]).value, kind_of(["1", "0"]).value, kind_of(["a.jpg"]).value
    ('text', 'flags', 'names of image files')
    """
    kinds = [kind for value in values for kind in _kinds(value)]
    if not kinds:
        return Kind.EMPTY
    texts = kinds.count(Kind.TEXT)
    if Kind.LISTED in kinds and texts + kinds.count(Kind.LISTED) >= _HALF * len(kinds):
        return Kind.LISTED
    # Real pools have some odd rows: captions that are a number or a file's name.
    if texts >= _HALF * len(kinds):
        return Kind.TEXT
    most = max(dict.fromkeys(kinds), key=kinds.count)
    return _of_numbers(values) if most is Kind.NUMBER else most


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
    if stripped[:1] + stripped[-1:] not in ("[]", "()") or len(stripped) > _LONGEST_LIST:
        return None
    # numpy prints no commas, and Python would join the neighbours.
    printed = _NEIGHBOURS.sub(r"\1, ", stripped)
    for parse, cell in ((json.loads, stripped), (ast.literal_eval, printed)):
        try:
            found = parse(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        items = list(found) if isinstance(found, list | tuple) else []
        if items and all(isinstance(item, str) for item in items):
            return items
    return None


def parsed_object(text: str) -> Any:
    """Parse a cell of text that holds objects, as JSON or as Python prints them; else None."""
    stripped = text.strip()
    if not stripped.startswith(("{", "[{")) or len(stripped) > _LONGEST_LIST:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(stripped)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, dict | list):
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
    if parsed_list(text):
        return Kind.LISTED
    return Kind.NESTED if parsed_object(text) is not None else Kind.TEXT


def _of_numbers(values: Sequence[object]) -> Kind:
    """Kind of numbers: flags if all are 0 or 1, scores if all are between."""
    try:
        found = {float(str(text_cell(value))) for value in values if str(value).strip()}
    except ValueError:  # some are words
        words = {str(text_cell(value)).strip().casefold() for value in values}
        return Kind.FLAG if words <= {*_FLAG_WORDS, ""} else Kind.NUMBER
    if found <= {0.0, 1.0}:
        return Kind.FLAG
    return Kind.SCORE if all(0 <= number <= 1 for number in found) else Kind.NUMBER
