"""Plain text: a caption a line, or Flickr's caption files, which have the image's name first."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from nsfwcaps.captions.formats import delimited, json_lines
from nsfwcaps.captions.opening import HEAD_BYTES, peeked, shown
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.rows import BadRow, Choose, Row, row_wise
from nsfwcaps.captions.tables.column_names import CAPTION_WORDS, folded
from nsfwcaps.captions.text import UTF8, decoded, encoding_of, raw
from nsfwcaps.errors import InputError

# `1000.jpg#0<tab>caption`, `1000.jpg,caption`, `1000.jpg| 0| caption`
_TOKEN = re.compile(
    r"(?P<image>[^\t,|]+?\.(?:jpe?g|png|webp|gif|bmp))(?:#\d+)?\s*[\t,|; ]\s*"
    r"(?:\d+\s*[,|\t]\s*)?(?P<caption>.*)",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_NAME = re.compile(r"[\w.-]{0,40}\Z", re.ASCII)
_ALONE = frozenset({"caption", "captions", "text", "prompt", "sentence"})
"""Words that are the header of a file with one column rather than a caption."""
_SAMPLE_LINES = 64
_MOST = 0.9


def read(file: BinaryIO, url: str, choose: Choose, options: ReadOptions) -> Iterator[Row | BadRow]:
    """Read plain text by what its first lines are."""
    file, head = peeked(file, HEAD_BYTES)
    lines = _lines(head, options, shown(url))
    if lines and (delimiter := _header(lines[0], options)) is not None:
        return delimited.read(file, url, choose, options, usual=delimiter, images_elsewhere=True)
    if lines and all(map(_is_object, lines)):
        return json_lines.read(file, url, choose, options)
    tokens = [_TOKEN.match(line) is not None for line in lines]
    if lines and sum(tokens) >= _MOST * len(tokens):
        return read_tokens(file, url, choose, options)
    _check_plain(lines, shown(url))
    text, encoding = decoded(file, options.encoding, shown(url))
    notes = {} if encoding == UTF8 else {"encoding": encoding}
    quoted = bool(lines) and all(map(_QUOTED.fullmatch, lines))
    captions = (line.strip()[1:-1].replace('""', '"') if quoted else line for line in text)
    return row_wise(({"caption": item} for item in captions if item.strip()), choose, notes)


def _check_plain(lines: Sequence[str], where: str) -> None:
    """Refuse a table or a JSON document under the name of a text.

    Raises:
        InputError: every line has as many tabs, or the first one opens a JSON value.
    """
    tabs = {line.count("\t") for line in lines}
    if len(tabs) == 1 and tabs != {0}:
        raise InputError(
            f"{where}: is a table, with {tabs.pop() + 1} cells between tabs in every line, rather "
            "than a caption a line; give it the extension .tsv"
        )
    if lines and re.match(r"[\[{]\s*(?:[\"{\[\\]|\Z)", lines[0]):
        raise InputError(
            f"{where}: is a document rather than a caption a line; if it is JSON, give it the "
            "extension .json"
        )


def read_tokens(
    file: BinaryIO, url: str, choose: Choose, options: ReadOptions
) -> Iterator[Row | BadRow]:
    """Read Flickr8k's and Flickr30k's token files: an image's name, then its caption."""
    text, encoding = decoded(file, options.encoding, shown(url))
    notes = {"format": "image names and captions"}
    if encoding != UTF8:
        notes["encoding"] = encoding
    return row_wise(_tokens(text), choose, notes, images_elsewhere=True)


def _tokens(lines: Iterator[str]) -> Iterator[Row | BadRow]:
    for line in lines:
        if not line.strip():
            continue
        found = _TOKEN.match(line.lstrip("\ufeff"))
        if found is None:
            yield BadRow("no_image_name", raw(line.strip()))
        else:
            yield {"image": found["image"].strip(), "caption": found["caption"].strip()}


def _lines(head: bytes, options: ReadOptions, where: str) -> Sequence[str]:
    """The first lines that are not empty."""
    name = encoding_of(head, options.encoding, where)
    text = head.decode(name, errors="replace")
    found = (line.strip().lstrip("\ufeff") for line in text.splitlines())
    return list(itertools.islice((line for line in found if line), _SAMPLE_LINES))


def _header(line: str, options: ReadOptions) -> str | None:
    """Delimiter of a line that names columns, one of them a caption column; else None."""
    if not options.header:
        return None
    if options.delimiter:
        return ","
    for delimiter in (",", "\t", ";", "|"):
        names = [folded(name) for name in line.split(delimiter)]
        known = CAPTION_WORDS if len(names) > 1 else _ALONE
        if all(map(_NAME.match, names)) and known & {*names}:
            return delimiter
    return None


def _is_object(line: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
