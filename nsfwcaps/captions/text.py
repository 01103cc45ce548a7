"""Text files: their encoding is recognised, and bytes that do not fit cost one row."""

from __future__ import annotations

import codecs
import io
import re
from typing import BinaryIO

from nsfwcaps.captions.opening import HEAD_BYTES, peeked
from nsfwcaps.errors import InputError

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UTF8 = "utf-8-sig"

# Western European text in cp1252: one or two accented letters beside plain ones, words of one
# letter such as "à", or typography.
_ACCENTED = rb"[\x8a\x8c\x8e\x9a\x9c\x9e\x9f\xc0-\xd6\xd8-\xf6\xf8-\xff]"
_TYPOGRAPHY = rb"[\x80\x82-\x87\x8b\x91-\x97\x99\x9b\xa0-\xbf\xd7\xf7]"
_ALONE = rb"[\xc0\xc8\xc9\xe0\xe1\xe8\xe9\xed\xf3\xfa]"
_WESTERN = re.compile(
    rb"(?:(?<=[A-Za-z])" + _ACCENTED + rb"{1,2}|" + _ACCENTED + rb"{1,2}(?=[A-Za-z])|"
    rb"(?<![\x80-\xff])" + _ALONE + rb"(?![\x80-\xff])|" + _TYPOGRAPHY + rb"{1,3})"
)
_HIGH = re.compile(rb"[\x80-\xff]+")
_MULTIBYTE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_ENOUGH = 16
"""Bytes beyond ASCII from which on a detector's answer means something."""


def decoded(file: BinaryIO, encoding: str | None, where: str) -> tuple[io.TextIOWrapper, str]:
    """Return the file as text with its line breaks, and the name of its encoding.

    Undecodable bytes become lone surrogates: only their row is rejected, not the file.

    Raises:
        InputError: the encoding given is unknown.
    """
    file, head = peeked(file, HEAD_BYTES)
    name = known(encoding, where) if encoding else recognised(head)
    if name == "utf-8":
        name = UTF8
    wide = name.startswith(("utf-16", "utf-32"))
    errors = "replace" if wide else "surrogateescape"
    return io.TextIOWrapper(file, encoding=name, errors=errors, newline=""), name


def known(encoding: str, where: str) -> str:
    """Return the usual name of an encoding.

    Raises:
        InputError: it is unknown.
    """
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise InputError(f"{where}: unknown encoding '{encoding}'; for example cp1252") from None


def recognised(head: bytes) -> str:
    """Recognise the encoding of a text by its first bytes.

    UTF-8 unless a byte order mark, a NUL in every other byte, or bytes that are plausible only in
    an older encoding say otherwise.

    >>> recognised("un café".encode("cp1252")), recognised("un café".encode("utf-16"))
    ('cp1252', 'utf-16')
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if wide := _wide(head):
        return wide
    try:
        # The head of a long file may end within a character.
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < HEAD_BYTES)
    except UnicodeDecodeError:
        return _older(head)
    return UTF8


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: text in it has a NUL in every other byte of its ASCII part."""
    pairs = len(head) // 2
    even, odd = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if pairs < 4 or max(even, odd) < 0.3 * pairs or min(even, odd) > 0.1 * pairs:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _older(head: bytes) -> str:
    """Recognise an encoding older than UTF-8; UTF-8 if it is rather UTF-8 with damage."""
    if _is_western(head):
        return "cp1252"
    beyond = sum(map(len, _HIGH.findall(head)))
    if beyond < _ENOUGH or sum(map(len, _MULTIBYTE.findall(head))) > beyond / 2:
        return UTF8
    import charset_normalizer

    found = charset_normalizer.from_bytes(head[: head.rfind(b"\n") + 1] or head).best()
    return UTF8 if found is None else found.encoding


def _is_western(head: bytes) -> bool:
    return _HIGH.search(head) is not None and not _HIGH.search(_WESTERN.sub(b"", head))


def raw(text: str) -> bytes:
    """Bytes of a decoded text, undecodable ones as they were."""
    try:
        return text.encode("utf-8", errors="surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate escaped in JSON, not an undecodable byte
        return text.encode("utf-8", errors="surrogatepass")
