"""Scripts of captions: whether the letters of a caption are Latin."""

from __future__ import annotations

import unicodedata
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


@lru_cache(maxsize=65536)
def _is_latin(letter: str) -> bool:
    # Full-width letters are named LATIN too.
    return letter.isascii() or "LATIN" in unicodedata.name(letter, "")
