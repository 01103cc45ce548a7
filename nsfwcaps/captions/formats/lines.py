"""Plain text: a caption a line, or Flickr's caption files, which have the image's name first."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from nsfwcaps.captions.column_names import CAPTION_WORDS, folded
from nsfwcaps.captions.formats import delimited, json_lines
from nsfwcaps.captions.opening import HEAD_BYTES, peeked, shown
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.rows import BadRow, Choose, Row, row_wise
from nsfwcaps.captions.text import UTF8, decoded, raw, recognised

# `1000.jpg#0<tab>caption`, `1000.jpg,caption`, `1000.jpg| 0| caption`
_TOKEN = re.compile(
    r"(?P<image>[^\t,|]+?\.(?:jpe?g|png|webp|gif|bmp))(?:#\d+)?\s*[\t,|; ]\s*"
    r"(?:\d+\s*[,|\t]\s*)?(?P<caption>.*)",
    re.IGNORECASE | re.DOTALL,
)
_NAME = re.compile(r"[\w.-]{0,40}\Z", re.ASCII)
_ALONE = frozenset({"caption", "captions", "text", "prompt", "sentence"})
"""Words that are the header of a file with one column rather than a caption."""
_SAMPLE_LINES = 64
_MOST = 0.9


def read(file: BinaryIO, url: str, choose: Choose, options: ReadOptions) -> Iterator[Row | BadRow]:
    """Read plain text by what its first lines are."""
    file, head = peeked(file, HEAD_BYTES)
    lines = _lines(head, options)
    if lines and (delimiter := _header(lines[0], options)) is not None:
        return delimited.read(file, url, choose, options, usual=delimiter, images_elsewhere=True)
    if lines and all(map(_is_object, lines)):
        return json_lines.read(file, url, choose, options)
    tokens = [_TOKEN.match(line) is not None for line in lines]
    if lines and sum(tokens) >= _MOST * len(tokens):
        return read_tokens(file, url, choose, options)
    text, encoding = decoded(file, options.encoding, shown(url))
    notes = {} if encoding == UTF8 else {"encoding": encoding}
    return row_wise(({"caption": line} for line in text if line.strip()), choose, notes)


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


def _lines(head: bytes, options: ReadOptions) -> Sequence[str]:
    """The first lines that are not empty."""
    name = options.encoding or recognised(head)
    try:
        text = head.decode(name, errors="replace")
    except LookupError:  # reported when the file is decoded
        return []
    found = (line.strip().lstrip("\ufeff") for line in text.splitlines())
    return list(itertools.islice((line for line in found if line), _SAMPLE_LINES))


def _header(line: str, options: ReadOptions) -> str | None:
    """Delimiter of a line that names columns, one of them a caption column; else None."""
    if not options.header:
        return None
    if options.delimiter:
        return ","
    for delimiter in (",", "\t", ";", "|"):
        names = [name.strip().strip('"') for name in line.split(delimiter)]
        known = CAPTION_WORDS if len(names) > 1 else _ALONE
        if all(map(_NAME.match, names)) and known & {*map(folded, names)}:
            return delimiter
    return None


def _is_object(line: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
