"""How far an edit went: words added and words removed."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

_WORD = re.compile(r"\w[\w'-]*")


@dataclass(frozen=True)
class Edit:
    """Words of the edited caption that are new, and words of the safe one that are gone."""

    added: int
    removed: int


def edit(safe: str, unsafe: str) -> Edit:
    """Count the words that differ; case and punctuation are no difference.

    >>> edit("A vase sits on a table.", "A vase sits next to a handgun on a table")
    Edit(added=4, removed=0)
    """
    before, after = words(safe), words(unsafe)
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    kept = sum(block.size for block in matcher.get_matching_blocks())
    return Edit(added=len(after) - kept, removed=len(before) - kept)


def words(text: str) -> list[str]:
    """Words in lower case."""
    return _WORD.findall(text.casefold())


def holds(text: str, phrase: str) -> bool:
    """Whether the words of a phrase stand in a text, side by side."""
    inside, wanted = words(text), words(phrase)
    width = len(wanted)
    return width > 0 and any(
        inside[at : at + width] == wanted for at in range(len(inside) - width + 1)
    )
