"""The section of a card that belongs to the user: writing the card again keeps it.

Cards end with it. Everything outside the two comments is nsfwcaps' own.
"""

from __future__ import annotations

START = "<!-- Yours: nsfwcaps keeps what is between these two comments -->"
END = "<!-- End of what nsfwcaps keeps -->"
_BLANK = "\n## Notes\n\n"
EMPTY = f"{START}{_BLANK}{END}"
"""The section as nsfwcaps writes it."""


def split(card: str) -> tuple[str, str] | None:
    r"""Return a card with an empty section, and what was in the section; None without one.

    Each comment must be there once, in order. Line ends of Windows count as plain ones.

    >>> split(f"# Card\r\n{START} Mine {END}") == (f"# Card\n{EMPTY}", " Mine ")
    True
    >>> split(f"# Card {END} Mine {START}") is None
    True
    """
    text = card.replace("\r\n", "\n")
    before, start, rest = text.partition(START)
    own, end, after = rest.partition(END)
    if not (start and end) or START in own + after or END in before + after:
        return None
    return f"{before}{EMPTY}{after}", own


def fill(card: str, own: str) -> str:
    """Put the user's text into a card with an empty section."""
    return card.replace(EMPTY, f"{START}{own}{END}")


def is_written(own: str) -> bool:
    """Whether the user has put something there."""
    return own.strip() not in ("", _BLANK.strip())
