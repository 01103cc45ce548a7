"""Scripts of captions: which letters a caption is written in, and whether they are Latin."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache


def is_mostly_non_latin(caption: str) -> bool:
    """Whether more than half of a caption's letters are outside the Latin script.

    >>> is_mostly_non_latin("A café"), is_mostly_non_latin("桌上有一只猫 (cat)")
    (False, True)
    """
    if caption.isascii():
        return False
    letters = [_is_latin(sign) for sign in caption if sign.isalpha()]
    return 2 * sum(letters) < len(letters)


def script_of(caption: str) -> str | None:
    """Script of most of a caption's letters; None if it has none.

    >>> script_of("A café"), script_of("桌上有一只猫 (cat)"), script_of("Кот 1"), script_of("1 2")
    ('Latin', 'Han', 'Cyrillic', None)
    """
    if caption.isascii():
        return "Latin" if any(map(str.isalpha, caption)) else None
    found = Counter(_script(sign) for sign in caption if sign.isalpha())
    # Japanese mixes Chinese characters with kana; Chinese has no kana.
    if found["Hiragana"] + found["Katakana"]:
        found["Japanese"] = found["Hiragana"] + found["Katakana"] + found["Han"]
    return found.most_common(1)[0][0] if found else None


@lru_cache(maxsize=65536)
def _script(letter: str) -> str:
    """Script of a letter by its Unicode name, such as `CYRILLIC SMALL LETTER A`."""
    if _is_latin(letter):
        return "Latin"
    words = unicodedata.name(letter, "UNKNOWN").removeprefix("HALFWIDTH ").split()
    return "Han" if words[0] in ("CJK", "IDEOGRAPHIC") else words[0].capitalize()


@lru_cache(maxsize=65536)
def _is_latin(letter: str) -> bool:
    # Full-width letters are named LATIN too.
    return letter.isascii() or "LATIN" in unicodedata.name(letter, "")
