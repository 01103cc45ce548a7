"""Rows from the middle and the end of a pool file, without reading what lies before them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, cast

import fsspec

from nsfwcaps.captions.formats import columnar, delimited, json_lines, lines
from nsfwcaps.captions.opening import compression, reaching
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.readers import Reader, by_content, reader_of
from nsfwcaps.captions.rows import BadRow, Row
from nsfwcaps.errors import InputError

_LINE_BYTES = 2**16
"""Bytes to look for the end of a line in."""
_MOST_BYTES = 2**23


def excerpt(
    url: str, wanted: Sequence[str], options: ReadOptions, *, at: float, rows: int, of: int
) -> list[Row | BadRow]:
    """Read some rows from a place `at` between 0 (start) and 1 (end) of a file of about `of` rows.

    Columns of images in Parquet and Arrow files are left out. Returns no rows if the file cannot
    be entered in its middle: it is compressed, or of a format that must be read from its start.

    Raises:
        InputError: the file is missing or damaged.
    """
    if url.endswith("/"):
        return []
    with reaching(url), fsspec.open(url, "rb") as file:
        head = file.read(64)
        if compression(head) is not None or not file.seekable():
            return []
        file.seek(0)
        reader = by_content(head, reader_of(url))
        start = min(max(0, int(of * at) - rows // 2), of - rows)
        if reader is columnar.read_parquet:
            return list(columnar.parquet_excerpt(file, wanted, start, rows))
        if reader is columnar.read_arrow and columnar.is_local(file):
            return list(columnar.arrow_excerpt(file, wanted, start, rows))
        if reader in _LINE_BY_LINE:
            return _lines(file, url, reader, options, at=at, rows=rows, of=of)
    return []


_LINE_BY_LINE = (
    *(json_lines.read, lines.read, lines.read_tokens),
    *(delimited.read_csv, delimited.read_tsv),
)


def _lines(
    file: Any, url: str, reader: Reader, options: ReadOptions, *, at: float, rows: int, of: int
) -> list[Row | BadRow]:
    size = file.seek(0, 2)
    needed = size * rows // max(1, of)
    span = min(_MOST_BYTES, needed + _LINE_BYTES)
    start = max(0, min(int(size * at) - needed // 2, size - span))
    file.seek(start)
    found = file.read(span).removesuffix(b"\n").split(b"\n")
    # The first line is cut off in front, and the last one behind, except at the end of the file.
    found = found[1:] if at >= 1 else found[1:-1]
    found = found[-rows:] if at >= 1 else found[:rows]
    names = _names(file, options) if reader in _LINE_BY_LINE[-2:] else b""
    part = io.BytesIO(names + b"\n".join(found))
    try:
        return list(_read(reader, part, url, options))
    except InputError:  # it begins inside a quoted cell
        return []


def _read(reader: Reader, part: BinaryIO, url: str, options: ReadOptions) -> Iterator[Row | BadRow]:
    return reader(part, url, lambda sample: sample.names, options)


def _names(file: Any, options: ReadOptions) -> bytes:
    """The lines before the first row: Excel's `sep=` and the names of the columns."""
    file.seek(0)
    head = cast(bytes, file.read(_LINE_BYTES)).split(b"\n")
    count = (head[0].lstrip(b"\xef\xbb\xbf").lower().startswith(b"sep=")) + options.header
    return b"".join(line + b"\n" for line in head[:count])
