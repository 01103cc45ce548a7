"""Formats of pool files, in words."""

from __future__ import annotations

from dataclasses import dataclass

import fsspec

from nsfwcaps.captions.formats import (
    columnar,
    delimited,
    json_documents,
    json_lines,
    lines,
    tars,
)
from nsfwcaps.captions.opening import compression, reaching
from nsfwcaps.captions.readers import Reader, by_content, reader_of
from nsfwcaps.captions.tables.roles import Columns

_NAMES: dict[Reader, str] = {
    delimited.read_csv: "CSV",
    delimited.read_tsv: "TSV",
    json_lines.read: "JSON lines",
    json_documents.read: "JSON",
    lines.read: "plain text",
    lines.read_tokens: "plain text",
    columnar.read_parquet: "Parquet",
    columnar.read_arrow: "Arrow",
    tars.read: "tar",
}
_USUAL_DELIMITERS: dict[Reader, str] = {delimited.read_csv: "comma", delimited.read_tsv: "tab"}
_BY_LINE: tuple[Reader, ...] = (
    *(delimited.read_csv, delimited.read_tsv),
    *(json_lines.read, lines.read, lines.read_tokens),
)
_QUOTED = (delimited.read_csv, delimited.read_tsv, lines.read)
_TEXT = (*_BY_LINE, json_documents.read)
_SIDECARS = "images with captions beside them"


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """How one file is stored."""

    name: str
    compression: str | None = None
    encoding: str | None = None
    delimiter: str | None = None


def format_of(url: str, columns: Columns | None) -> FileFormat:
    """Return the format of a file whose columns have been recognised.

    Raises:
        InputError: the file is missing, or of an unknown format.
    """
    if url.endswith("/"):
        return FileFormat(name=_SIDECARS)
    reader, packed = _reader(url)
    notes = columns.notes if columns is not None else {}
    name = _NAMES[reader]
    if detail := notes.get("format"):
        name = f"{name} ({detail})"
    elif reader is lines.read and columns is not None and not is_plain(columns):
        name = "text with named columns"
    return FileFormat(
        name=name,
        compression=packed,
        encoding=_encoding(notes.get("encoding", "utf-8")) if reader in _TEXT else None,
        delimiter=notes.get("delimiter") or _USUAL_DELIMITERS.get(reader),
    )


def has_lines(url: str) -> bool:
    """Whether a file has a row per line, but for line breaks within cells.

    Raises:
        InputError: the file is missing, or of an unknown format.
    """
    return not url.endswith("/") and _reader(url)[0] in _BY_LINE


def may_break_lines(url: str) -> bool:
    """Whether cells of a file may hold line breaks that are line breaks of the file."""
    return not url.endswith("/") and _reader(url)[0] in _QUOTED


def is_plain(columns: Columns) -> bool:
    """Whether a text file has a caption a line, and nothing else in it."""
    return columns.used == ["caption"] and not columns.ignored


def _reader(url: str) -> tuple[Reader, str | None]:
    with reaching(url), fsspec.open(url, "rb") as file:
        head = file.read(64)
    return by_content(head, reader_of(url)), compression(head)


def _encoding(name: str) -> str:
    return {"utf-8-sig": "UTF-8", "utf-8": "UTF-8"}.get(name, name)
