"""Streaming readers of pools: JSONL, CSV/TSV, Parquet, Arrow, plain text and COCO JSON.

Every reader yields a dict per row, or a `BadRow` if a row is unreadable, and keeps at most
one block of the file in memory. If the rest of a file is unreadable, it raises an `InputError`:
otherwise rows would be lost silently.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import fsspec
import ijson
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.compression import available_compressions

from nsfwcaps.errors import InputError

Row = dict[str, Any]

_BATCH_ROWS = 1024
_PEEK_ROWS = 64
_HEAD_BYTES = 65536


@dataclass(frozen=True, slots=True)
class BadRow:
    """An unparsable row; `raw` holds its bytes."""

    reason: str
    raw: bytes


Choose = Callable[[Sequence[str]], Sequence[str]]
"""Select the needed columns of a pool; raises `InputError` if one is missing."""

Reader = Callable[[BinaryIO, str, Choose], Iterator[Row | BadRow]]


def read_pool(url: str, choose: Choose) -> Iterator[Row | BadRow]:
    """Stream the rows of one file: local or any fsspec URL, optionally compressed.

    Text from Parquet and Arrow files is returned as bytes, since it may not be valid UTF-8.

    Raises:
        InputError: the file is missing, of unknown format, or damaged beyond single rows.
    """
    reader = reader_of(url)
    if url.lower().endswith(".zst") and "zstd" not in available_compressions():
        raise InputError(
            f"{url}: .zst needs a package that is not installed; run 'pip install zstandard', "
            "or decompress the file"
        )
    try:
        with fsspec.open(url, "rb", compression="infer") as file:
            yield from reader(cast(BinaryIO, file), url, choose)
    except FileNotFoundError:
        raise InputError(f"{url}: no such file") from None
    except PermissionError:
        raise InputError(f"{url}: permission denied") from None
    except (EOFError, OSError, zlib.error, lzma.LZMAError, pa.ArrowException):
        raise InputError(
            f"{url}: the file is damaged or truncated; copy or download it again"
        ) from None


def reader_of(url: str) -> Reader:
    """Choose the reader by file extension, ignoring a compression suffix."""
    ending = ending_of(url)
    if ending not in READERS:
        raise InputError(
            f"{url}: unknown file format; expected {', '.join(sorted(READERS))}, "
            "optionally with .gz, .bz2, .xz or .zst"
        )
    return READERS[ending]


def ending_of(url: str) -> str:
    """Return the lower-case file extension, ignoring a compression suffix."""
    name = url.lower()
    for suffix in (".gz", ".bz2", ".xz", ".zst"):
        name = name.removesuffix(suffix)
    return "." + name.rpartition("/")[2].rpartition(".")[2]


def _row_wise(read: Callable[[BinaryIO, str], Iterator[Row | BadRow]]) -> Reader:
    """Wrap a row reader so that its columns come from the first readable rows."""

    def reader(file: BinaryIO, url: str, choose: Choose) -> Iterator[Row | BadRow]:
        rows = read(file, url)
        for row in rows:
            if isinstance(row, dict):
                rows = itertools.chain([row], rows)
                break
            yield row
        first = list(itertools.islice(rows, _PEEK_ROWS))
        if first:
            names = dict.fromkeys(key for row in first if isinstance(row, dict) for key in row)
            choose(list(names))
        yield from itertools.chain(first, rows)

    return reader


def _text_lines(file: BinaryIO) -> io.TextIOWrapper:
    # Undecodable bytes become lone surrogates: only their row is rejected, not the file.
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _raw(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")


@_row_wise
def _read_jsonl(file: BinaryIO, url: str) -> Iterator[Row | BadRow]:
    for line in _text_lines(file):
        text = line.strip()
        if not text:
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            yield BadRow("broken_json", _raw(text))
            continue
        yield row if isinstance(row, dict) else BadRow("not_an_object", _raw(text))


@_row_wise
def _read_text(file: BinaryIO, url: str) -> Iterator[Row | BadRow]:
    for line in _text_lines(file):
        if line.strip():
            yield {"caption": line}


def _delimited(delimiter: str) -> Reader:
    @_row_wise
    def read(file: BinaryIO, url: str) -> Iterator[Row | BadRow]:
        csv.field_size_limit(sys.maxsize)
        rows = csv.reader(_text_lines(file), delimiter=delimiter, strict=True)
        header = next(rows, None)
        if header is None:
            return
        while True:
            start = rows.line_num + 1
            try:
                cells = next(rows, None)
            except csv.Error:
                # An unclosed quote swallows every row after it.
                raise InputError(
                    f"{url}: line {start} has an unclosed or misplaced quote; "
                    "fix that line and run again"
                ) from None
            if cells is None:
                return
            if not cells:
                continue
            if len(cells) != len(header):
                yield BadRow("wrong_number_of_cells", _raw(delimiter.join(cells)))
                continue
            yield dict(zip(header, cells, strict=True))

    return read


def _read_parquet(file: BinaryIO, url: str, choose: Choose) -> Iterator[Row | BadRow]:
    table = pq.ParquetFile(file)
    wanted = list(choose(table.schema_arrow.names))
    yield from _rows(table.iter_batches(batch_size=_BATCH_ROWS, columns=wanted))


def _read_arrow(file: BinaryIO, url: str, choose: Choose) -> Iterator[Row | BadRow]:
    magic = file.read(6)
    file.seek(0)
    if magic == b"ARROW1":
        reader = pa.ipc.open_file(file)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
    else:  # the stream format, as `datasets` saves
        reader = batches = pa.ipc.open_stream(file)
    wanted = list(choose(reader.schema.names))
    yield from _rows(batch.select(wanted) for batch in batches)


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[Row]:
    for batch in batches:
        columns = [column.cast(_undecoded(column.type)) for column in batch.columns]
        yield from pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist()


def _undecoded(kind: pa.DataType) -> pa.DataType:
    """Replace string types by binary: one invalid byte must cost one row, not the file."""
    if pa.types.is_dictionary(kind):
        return _undecoded(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.large_binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(_undecoded(kind.value_type))
    return kind


def _read_json(file: BinaryIO, url: str, choose: Choose) -> Iterator[Row | BadRow]:
    """Read a `.json` file: an array of objects, a COCO object, or JSON lines."""
    _rewind(file)
    head = file.read(_HEAD_BYTES).lstrip()
    _rewind(file)
    if head.startswith(b"["):
        return _read_json_array(file, url, choose)
    first_line = head.split(b"\n", 1)[0]
    return (_read_jsonl if _is_object(first_line) else _read_coco)(file, url, choose)


def _rewind(file: BinaryIO) -> None:
    """Seek to the first byte of JSON, past a byte order mark."""
    file.seek(0)
    if file.read(3) != codecs.BOM_UTF8:
        file.seek(0)


def _is_object(line: bytes) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    return isinstance(row, dict) and "annotations" not in row


@_row_wise
def _read_json_array(file: BinaryIO, url: str) -> Iterator[Row | BadRow]:
    try:
        for item in ijson.items(file, "item", use_float=True):
            yield item if isinstance(item, dict) else BadRow("not_an_object", _raw(str(item)))
    except ijson.JSONError:
        raise InputError(f"{url}: invalid JSON; fix the file") from None


@_row_wise
def _read_coco(file: BinaryIO, url: str) -> Iterator[Row | BadRow]:
    """Read COCO captions or NoCaps: file names in `images[]`, captions in `annotations[]`."""
    try:
        names = {image["id"]: image.get("file_name") for image in ijson.items(file, "images.item")}
        _rewind(file)
        found = False
        for note in ijson.items(file, "annotations.item"):
            found = True
            yield {"caption": note.get("caption"), "image_name": names.get(note.get("image_id"))}
    except (ijson.JSONError, KeyError, AttributeError, TypeError):
        raise InputError(f"{url}: not valid COCO captions JSON; fix the file") from None
    if not found:
        raise InputError(
            f"{url}: expected COCO captions, found no annotations[]; "
            "for JSON lines use the extension .jsonl"
        )


READERS: dict[str, Reader] = {
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
    ".txt": _read_text,
    ".json": _read_json,
}
