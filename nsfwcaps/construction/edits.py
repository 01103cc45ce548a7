"""The size of an edit: words added and words removed."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

_WORD = re.compile(r"\w[\w'-]*")


@dataclass(frozen=True)
class Edit:
    """Number of words added to and removed from the safe caption."""

    added: int
    removed: int


def edit(safe: str, unsafe: str) -> Edit:
    """Count the words that differ, ignoring case and punctuation.

    >>> edit("A vase sits on a table.", "A vase sits next to a handgun on a table")
    Edit(added=4, removed=0)
    """
    before, after = words(safe), words(unsafe)
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    kept = sum(block.size for block in matcher.get_matching_blocks())
    return Edit(added=len(after) - kept, removed=len(before) - kept)


def words(text: str) -> list[str]:
    """Split into case-folded words."""
    return _WORD.findall(text.casefold())


def holds(text: str, phrase: str) -> bool:
    """Tell whether a text contains a phrase, word by word."""
    inside, wanted = words(text), words(phrase)
    width = len(wanted)
    return width > 0 and any(
        inside[at : at + width] == wanted for at in range(len(inside) - width + 1)
    )
