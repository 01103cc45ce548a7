"""Normalisation of captions, and the keys derived from the result."""

from __future__ import annotations

import hashlib
import re
import unicodedata

TEXT_DIGITS = 16
"""Number of leading id digits that depend on the text alone."""

# Control characters are gaps, as they separate words more often than they split one. So are the
# letters and patterns that are drawn as a blank.
_GAPS = re.compile("[\\s\x00-\x1f\x7f-\x9f\u2800\u3164\uffa0]+")
# The next two hold what Unicode calls default-ignorable: drawn as nothing, so ids must not depend
# on it. Three kinds stay, as scripts and emoji need them: the zero-width joiner and non-joiner,
# the variation selectors up to U+FE0F, and the fillers of Korean syllables.
_SOFT = "\u00ad\u034f\u200b\u200e\u200f\u2060\ufeff"
# Marks that reorder what is displayed, or carry text that is not: bidirectional controls, tags,
# annotations, invisible operators, deprecated format characters. Flags of regions (an emoji with
# tags) become a plain black flag.
_HIDDEN = (
    "\u061c\u17b4\u17b5\u180e\u202a-\u202e\u2061-\u206f\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_HOLDS_HIDDEN = re.compile(f"[{_HIDDEN}]")
_INVISIBLE = re.compile(f"[{_SOFT}{_HIDDEN}]")
_WORD = re.compile(r"\w+")


def normalize(text: str) -> str:
    r"""Normalise text: Unicode NFC, no invisible characters, single spaces, trimmed.

    >>> normalize("  A dog\u00a0on\t a\x00beach ")
    'A dog on a beach'
    """
    if text.isascii() and text.isprintable():  # most captions: no control, no other white space
        return text.strip() if "  " not in text else " ".join(text.split())
    if not text.isascii():  # ASCII has nothing to compose, and no invisible character but controls
        text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
    return _GAPS.sub(" ", text).strip()


def has_hidden(text: str) -> bool:
    r"""Whether a text holds characters that hide text or spoof its display; `normalize` drops them.

    >>> has_hidden("A dog\u202e"), has_hidden("A \u200bdog")
    (True, False)
    """
    return not text.isascii() and _HOLDS_HIDDEN.search(text) is not None


def content_id(caption: str, image_sha256: str | None = None) -> str:
    """Return a 128-bit hash (hex) of a normalised caption and its image, equal on every machine.

    The first half depends on the text alone. Sorting by id thus groups copies of a text under
    different images, and each text is embedded once.
    """
    text = hashlib.blake2b(caption.encode(), digest_size=16).hexdigest()
    if image_sha256 is None:
        return text
    both = hashlib.blake2b(f"{caption}\0{image_sha256}".encode(), digest_size=8).hexdigest()
    return text[:TEXT_DIGITS] + both


def pair_id(unsafe_id: str, safe_id: str) -> str:
    """Return a 128-bit hash (hex) of the two caption ids of a pair."""
    return hashlib.blake2b(f"{unsafe_id}{safe_id}".encode(), digest_size=16).hexdigest()


def fold_key(caption: str) -> int:
    """Return a 64-bit key, shared by texts that differ only in case, punctuation or width.

    >>> fold_key("A dog, on a BEACH.") == fold_key("a dog on a beach")
    True
    """
    return int.from_bytes(hashlib.blake2b(folded(caption).encode(), digest_size=8).digest(), "big")


def folded(caption: str) -> str:
    """Return a caption's words in one case and width, joined by spaces; itself if it has none."""
    text = caption if caption.isascii() else unicodedata.normalize("NFKC", caption)
    text = text.casefold()
    return " ".join(_words(text)) or text


def _words(text: str) -> list[str]:
    if text.isascii():
        return _WORD.findall(text)
    return "".join(sign if _is_of_word(sign) else " " for sign in text).split()


def _is_of_word(sign: str) -> bool:
    # The regular expression omits combining marks, which distinguish words in Indic scripts.
    if sign.isalnum() or sign == "_":
        return True
    is_emoji_style = "\ufe00" <= sign <= "\ufe0f"
    return unicodedata.category(sign) in ("Mn", "Mc") and not is_emoji_style
