"""Streaming reading of pools: the reader of each format, by ending and content.

Every reader yields a dict per row, or a `BadRow` if a row is unreadable, and keeps at most
one block of the file in memory. If the rest of a file is unreadable, it raises an `InputError`:
otherwise rows would be lost silently.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import BinaryIO

from nsfwcaps.captions.formats import (
    columnar,
    delimited,
    json_documents,
    json_lines,
    lines,
    sidecars,
    tars,
)
from nsfwcaps.captions.opening import opened, peeked, reaching, shown
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.rows import BadRow, Choose, Row
from nsfwcaps.errors import InputError

Reader = Callable[[BinaryIO, str, Choose, ReadOptions], Iterator[Row | BadRow]]

COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4")


def read_pool(
    url: str, choose: Choose, options: ReadOptions | None = None
) -> Generator[Row | BadRow, None, None]:
    """Stream the rows of one file: local or any fsspec URL, optionally compressed.

    An address that ends with a slash is a folder of images with captions beside them.
    Text from Parquet and Arrow files is returned as bytes, since it may not be valid UTF-8.

    Raises:
        InputError: the file is missing, of unknown format, or damaged beyond single rows.
    """
    options = options or ReadOptions()
    if url.endswith("/"):
        yield from sidecars.read_sidecars(url, choose, options)
        return
    reader = reader_of(url)
    with reaching(url), opened(url) as file:
        file, head = peeked(file, 64)
        yield from by_content(head, reader)(file, url, choose, options)


def by_content(head: bytes, reader: Reader) -> Reader:
    """Choose the reader by a file's first bytes, which count more than its name."""
    if head.startswith(b"PAR1"):
        return columnar.read_parquet
    if head.startswith(b"ARROW1"):
        return columnar.read_arrow
    is_array = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[{")
    return json_documents.read if is_array and reader is json_lines.read else reader


def reader_of(url: str) -> Reader:
    """Choose the reader by file extension, ignoring a compression suffix."""
    ending = ending_of(url)
    if ending not in READERS:
        raise InputError(
            f"{shown(url)}: unknown file format; expected {', '.join(sorted(READERS))}, "
            "optionally with .gz, .bz2, .xz or .zst"
        )
    return READERS[ending]


def ending_of(url: str) -> str:
    """Return the lower-case file extension, ignoring a compression suffix."""
    name = shown(url).lower()
    for suffix in COMPRESSED:
        name = name.removesuffix(suffix)
    return "." + name.rpartition("/")[2].rpartition(".")[2]


READERS: dict[str, Reader] = {
    ".jsonl": json_lines.read,
    ".ndjson": json_lines.read,
    ".csv": delimited.read_csv,
    ".tsv": delimited.read_tsv,
    ".parquet": columnar.read_parquet,
    ".arrow": columnar.read_arrow,
    ".txt": lines.read,
    ".json": json_documents.read,
    ".token": lines.read_tokens,
    ".tar": tars.read,
    ".tgz": tars.read,
}
