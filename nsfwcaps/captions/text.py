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
_NO_TEXT = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"}

_HIGH = re.compile(rb"[\x80-\xff]+")
_MULTIBYTE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
# Western European text in cp1252: one or two accented letters beside plain ones, words of one
# letter such as "à", or typography.
_ACCENTED = rb"[\x8c\x9c\xc0-\xcf\xd1-\xd6\xd8-\xdc\xdf-\xef\xf1-\xf6\xf8-\xfc\xff]"
_TYPOGRAPHY = rb"[\x80\x82-\x87\x8b\x91-\x97\x99\x9b\xa0-\xa2\xa4\xa6-\xb0\xb2-\xbf\xd7\xf7]"
_ALONE = rb"[\xc0\xc8\xc9\xe0\xe1\xe8\xe9\xed\xf3\xfa]"
_WESTERN = re.compile(
    rb"(?:(?<=[A-Za-z])" + _ACCENTED + rb"{1,2}|" + _ACCENTED + rb"{1,2}(?=[A-Za-z])|"
    rb"(?<![\x80-\xff])"
    + _ALONE
    + rb"(?![\x80-\xff])|"
    + _TYPOGRAPHY
    + rb"{1,3}|[\xa3\xa5](?=[0-9]))"
)
# What Central European, Romanian and Turkish letters are in cp1252: signs within words, and the
# letter õ without its Portuguese companion ã.
_EASTERN = re.compile(rb"[a-z][\xaa\xb2\xb3\xb9\xba\xbe\xbf][a-z]|[a-z][\xb3\xb9](?![0-9A-Za-z])")
_ENOUGH = 16
"""Bytes beyond ASCII from which on an older encoding is supposed, not damage."""


def decoded(file: BinaryIO, encoding: str | None, where: str) -> tuple[io.TextIOWrapper, str]:
    """Return the file as text with its line breaks, and the name of its encoding.

    Undecodable bytes become lone surrogates: only their row is rejected, not the file.

    Raises:
        InputError: the encoding given is unknown, or one must be given.
    """
    file, head = peeked(file, HEAD_BYTES)
    name = encoding_of(head, encoding, where)
    wide = name.startswith(("utf-16", "utf-32"))
    errors = "replace" if wide else "surrogateescape"
    return io.TextIOWrapper(file, encoding=name, errors=errors, newline=""), name


def encoding_of(head: bytes, encoding: str | None, where: str) -> str:
    """Return the encoding of a text by its first bytes and what the user said.

    Raises:
        InputError: the encoding given is unknown, or one must be given.
    """
    if encoding is None:
        return recognised(head, where)
    name = known(encoding, where)
    if name in ("utf-16", "utf-32") and not any(head.startswith(mark) for mark, _ in _MARKS):
        raise InputError(
            f"{where}: {name} without a byte order mark; name its byte order, as in {name}-le"
        )
    if name == "utf-8" or (not name.startswith("utf") and _is_utf8(head)):
        return UTF8  # the other side's file may be in another encoding than the one given
    return name


def recognised(head: bytes, where: str = "the file") -> str:
    """Recognise the encoding of a text by its first bytes: UTF-8, UTF-16, UTF-32 or cp1252.

    >>> recognised("un café".encode("cp1252")), recognised("un café".encode("utf-16"))
    ('cp1252', 'utf-16')

    Raises:
        InputError: it is in another encoding, or no text.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if wide := _wide(head):
        return wide
    if b"\0" in head:
        raise InputError(f"{where}: is not text; it has NUL bytes")
    try:
        # The head of a long file may end within a character.
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < HEAD_BYTES)
    except UnicodeDecodeError:
        return _older(head, where)
    return UTF8


def raw(text: str) -> bytes:
    """Bytes of a decoded text, undecodable ones as they were."""
    try:
        return text.encode("utf-8", errors="surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate escaped in JSON, not an undecodable byte
        return text.encode("utf-8", errors="surrogatepass")


def known(encoding: str, where: str) -> str:
    """Return the usual name of an encoding.

    Raises:
        InputError: it is unknown, or no encoding of text.
    """
    try:
        name = codecs.lookup(encoding).name
        b"text".decode(name)
    except (LookupError, UnicodeError):
        name = "undefined"
    if name in _NO_TEXT and not encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32")):
        raise InputError(f"{where}: unknown encoding '{encoding}'; for example cp1252")
    return codecs.lookup(encoding).name


def _is_utf8(head: bytes) -> bool:
    """Whether bytes are UTF-8 with characters beyond ASCII, which other text hardly ever is."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < HEAD_BYTES)
    except UnicodeDecodeError:
        return False
    return not head.isascii()


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: text in it has a NUL in every other byte of its ASCII part."""
    pairs = len(head) // 2
    even, odd = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if pairs < 4 or max(even, odd) < 0.3 * pairs or min(even, odd) > 0.1 * pairs:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _older(head: bytes, where: str) -> str:
    """Recognise cp1252; UTF-8 if it is rather UTF-8 with damage, whose rows are set aside."""
    beyond = sum(map(len, _HIGH.findall(head)))
    if 2 * sum(map(len, _MULTIBYTE.findall(head))) >= beyond:
        return UTF8
    if _is_western(head):
        return "cp1252"
    if beyond < _ENOUGH:
        return UTF8
    import charset_normalizer

    found = charset_normalizer.from_bytes(head[: head.rfind(b"\n") + 1] or head).best()
    guess = found.encoding if found is not None and found.encoding != "cp1252" else "cp1250"
    raise InputError(
        f"{where}: is neither UTF-8 nor cp1252; name its encoding, for example --encoding {guess}"
    )


def _is_western(head: bytes) -> bool:
    if _HIGH.search(_WESTERN.sub(b"", head)) or _EASTERN.search(head.lower()):
        return False
    return b"\xf5" not in head or b"\xe3" in head
