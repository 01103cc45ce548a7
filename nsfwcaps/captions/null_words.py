"""Cells that hold text and mean that there is none: `nan`, `NULL`, a repeated header, `<br>`.

Libraries write missing values as words. As a caption such a word is one text that thousands of
rows share, close to everything and about nothing.
"""

from __future__ import annotations

import html
import math
import re
import unicodedata

NULL_WORD = "null_word"
HEADER_LINE = "header_line"
NO_WORDS = "no_words"

_OF_LIBRARIES = (
    "nan|-nan|na|n/a|n.a|[nan]|[null]|[none]|#n/a|#n/a n/a|#na|<na>|nat|null|#null|<null>|(null)|"
    "none|<none>|nil|undefined|"
    "1.#ind|-1.#ind|1.#qnan|-1.#qnan|\\n|#ref!|#value!|#name?|#div/0!|#null!|#num!"
)
"""Missing values of pandas, polars, R, MySQL, Spark, JavaScript and spreadsheets."""
_OF_PEOPLE = (
    "no caption|no caption available|caption not available|caption unavailable|no description|"
    "no description available|no alt text|no text|not available|not applicable|unavailable|"
    "unknown|untitled|todo|tbd|placeholder|missing|[removed]|[deleted]"
)
"""What is typed into a caption field that must not be empty."""
_WORDS = frozenset(_OF_LIBRARIES.split("|"))
_FILLERS = frozenset(_OF_PEOPLE.split("|"))
_ALL = _WORDS | _FILLERS
_AROUND = " \t\"'`\u2018\u2019\u201c\u201d"
_MARK_UP = re.compile(r"<!--.*?-->|</?[a-z][^<>]*>|!\[\]\([^)]*\)|\[\]\([^)]*\)", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.)\S+", re.IGNORECASE)
_FILE = re.compile(
    r"\S+\.(?:jpe?g|png|webp|gif|bmp|tiff?|avif|svg|mp4|txt|json|csv)", re.IGNORECASE
)
_REPEATED = frozenset({"nan", "null", "none", "n/a", "<na>", "undefined"})
"""Words that mean the same when they are repeated, as where two empty columns were joined."""
_BEHIND = ".;,:"
_PICTOGRAPHS = 0x2600
"""First code point of signs that show a thing; those before it are marks, arrows and boxes."""
_LONGEST = 200
"""Characters of a text that is looked at; what is longer has words."""


def is_null_word(cell: object) -> bool:
    """Tell whether a cell is a word for a missing value, or not a number.

    Case, quotes around it and a mark such as a full stop behind it do not matter.

    >>> [is_null_word(cell) for cell in ("NaN", " 'null'. ", float("nan"), "none of them")]
    [True, True, True, False]
    """
    if isinstance(cell, float):
        return math.isnan(cell)
    return isinstance(cell, str) and len(cell) <= _LONGEST and _is_of(_WORDS, cell)


def problem(text: str, column: str) -> str | None:
    """Return why a normalised text of a column is no caption, or None.

    `null_word`: a word for a missing value. `header_line`: the name of its own column, as in files
    joined by `cat`; case and a colon behind it do not matter. `no_words`: a number, an address, a
    file name, mark-up or punctuation alone. A letter of any script, or a pictograph, is a word.
    """
    if len(text) > _LONGEST:
        return None
    if _is_of(_ALL, text):
        return NULL_WORD
    if not column.isdigit() and text.rstrip(" :").casefold() == column.rstrip(" :").casefold():
        return HEADER_LINE
    return NO_WORDS if _has_no_words(text) else None


def _is_of(words: frozenset[str], text: str) -> bool:
    bare = " ".join(text.strip(_AROUND).casefold().split())
    if bare in words or bare.rstrip(_BEHIND).strip(_AROUND) in words:
        return True
    parts = {part.rstrip(_BEHIND) for part in bare.split()}
    return len(parts) == 1 and parts <= _REPEATED


def _has_no_words(text: str) -> bool:
    if _ADDRESS.fullmatch(text) or _FILE.fullmatch(text):
        return True
    left = html.unescape(_MARK_UP.sub(" ", text))
    return not any(map(_is_word, left))


def _is_word(sign: str) -> bool:
    """Whether a sign is a letter of any script, or a pictograph such as an emoji."""
    kind = unicodedata.category(sign)
    return kind[0] == "L" or (kind == "So" and ord(sign) >= _PICTOGRAPHS)
