"""Text of pools for the terminal: what would move the cursor, hide or reorder text is spelt out."""

from __future__ import annotations

import sys
import unicodedata

# Joiners that scripts and emoji need; they change no other text.
_KEPT = "\u200c\u200d"
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def plain(text: str) -> str:
    r"""Return a text with control, format and unassigned characters spelt out.

    >>> plain("a\x1b[31m red\nlamp\u202e")
    'a\\x1b[31m red\\nlamp\\u202e'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        sign.encode("unicode_escape").decode()
        if unicodedata.category(sign) in _UNSEEN and sign not in _KEPT
        else sign
        for sign in text
    )


def label(text: str, most: int = 40) -> str:
    """Return a short name, such as a category, as plain text of at most so many characters."""
    found = plain(text)
    return found if len(found) <= most else f"{found[: most - 1]}…"


def writable(text: str) -> str:
    """Return a text with what standard output cannot encode spelt out."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
