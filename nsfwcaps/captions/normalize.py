"""Normalisation of captions, and the keys derived from the result."""

from __future__ import annotations

import hashlib
import re
import unicodedata

TEXT_DIGITS = 16
"""Number of leading id digits that depend on the text alone."""

_SPACES = re.compile(r"\s+")
# Control and format characters (zero-width, direction marks) would change ids without changing
# meaning. The zero-width joiner and non-joiner stay: scripts and emoji need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u2060\ufeff]"
)
_WORD = re.compile(r"\w+")


def normalize(text: str) -> str:
    r"""Normalise text: Unicode NFC, no invisible characters, single spaces, trimmed.

    >>> normalize("  A dog\u00a0on\t a  beach ")
    'A dog on a beach'
    """
    text = _INVISIBLE.sub("", text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return _SPACES.sub(" ", text).strip()


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
    text = unicodedata.normalize("NFKC", caption).casefold()
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
