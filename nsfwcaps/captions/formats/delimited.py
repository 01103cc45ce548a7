"""Delimited text: CSV, TSV, and tables with another delimiter."""

from __future__ import annotations

import csv
import itertools
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.rows import BadRow, Choose, Row, row_wise, unique
from nsfwcaps.captions.tables.column_names import CAPTION_WORDS, folded
from nsfwcaps.captions.text import UTF8, decoded, raw
from nsfwcaps.enums import Quoting
from nsfwcaps.errors import InputError

_DELIMITERS = (",", "\t", ";", "|")
_NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe", " ": "space"}
_SPELT = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_EXCEL = re.compile(r"\ufeff?sep=(.)\s*\Z", re.IGNORECASE)
_SAMPLE_LINES = 64
_MOST = 0.9
_LONGEST_CELL = 16
"""Lines of a cell with line breaks, at most, for its table to be recognised."""

Cells = Sequence[str]


def read_csv(
    file: BinaryIO, url: str, choose: Choose, options: ReadOptions
) -> Iterator[Row | BadRow]:
    """Read a table whose delimiter is a comma, unless its lines show another one."""
    return read(file, url, choose, options, usual=",")


def read_tsv(
    file: BinaryIO, url: str, choose: Choose, options: ReadOptions
) -> Iterator[Row | BadRow]:
    """Read a table whose delimiter is a tab, unless its lines show another one."""
    return read(file, url, choose, options, usual="\t")


def read(
    file: BinaryIO,
    url: str,
    choose: Choose,
    options: ReadOptions,
    *,
    usual: str,
    images_elsewhere: bool = False,
) -> Iterator[Row | BadRow]:
    """Read a table of delimited text.

    Raises:
        InputError: a quote does not close, or the encoding is unknown.
    """
    text, encoding = decoded(file, options.encoding, shown(url))
    notes = {} if encoding == UTF8 else {"encoding": encoding}
    first = list(itertools.islice(text, _SAMPLE_LINES))
    named = _EXCEL.match(first[0]) if first else None
    first = first[1:] if named else first
    asked = _SPELT.get(options.delimiter or "", options.delimiter or "")
    if asked and first and asked in first[0]:  # the other side's file may have another one
        delimiter = asked
    else:
        delimiter = named[1] if named else _recognised(first, usual)
    if delimiter != usual:
        notes["delimiter"] = _NAMES.get(delimiter, delimiter)
    lines = itertools.chain(first, text)
    quoting = options.quoting
    by_cell = quoting is Quoting.AUTO and delimiter in "\t|" and not _spans_lines(first, delimiter)
    records: Iterator[Cells | BadRow]
    if quoting is Quoting.NONE:
        records = _plain(lines, delimiter)
    elif by_cell:
        records = _unquoted(lines, delimiter)
    else:
        dialect = {"delimiter": delimiter, **_dialect(first, delimiter)}
        records = _quoted(lines, dialect, shown(url), skipped=1 if named else 0)
    rows = _rows(records, delimiter, header=options.header)
    return row_wise(rows, choose, notes, images_elsewhere=images_elsewhere)


def _rows(
    records: Iterator[Cells | BadRow], delimiter: str, *, header: bool
) -> Iterator[Row | BadRow]:
    first = next(records, None)
    if first is None:
        return
    if isinstance(first, BadRow):
        yield first  # without a header, no row has a name for its cells
        return
    if header:
        names = unique([name.strip().lstrip("\ufeff") for name in first])
    else:
        names = [str(number) for number in range(len(first))]
        records = itertools.chain([first], records)
    for cells in records:
        if isinstance(cells, BadRow):
            yield cells
        elif len(cells) == len(names):
            yield dict(zip(names, cells, strict=True))
        else:
            yield BadRow("wrong_number_of_cells", raw(delimiter.join(cells)))


def _recognised(lines: Sequence[str], usual: str) -> str:
    """Recognise the delimiter by the first lines.

    Another one than usual must name a caption column that the usual one does not, or divide most
    lines into the same number of cells where the usual one does not divide them.
    """
    try:
        found = {name: _divided(lines, name) for name in (usual, *_DELIMITERS)}
    except csv.Error:
        return usual
    if found[usual].names_caption or (found[usual].cells > 1 and found[usual].even >= _MOST):
        return usual
    better = [
        (item.names_caption, item.even, item.cells, name)
        for name, item in found.items()
        if item.cells > 1 and (item.even >= _MOST or item.names_caption)
    ]
    return max(better)[-1] if better else usual


@dataclass(frozen=True, kw_only=True)
class _Division:
    """Lines divided by one delimiter."""

    names_caption: bool
    cells: int
    """Cells of the first line."""
    even: float
    """Share of the lines with as many cells."""


def _divided(lines: Sequence[str], delimiter: str) -> _Division:
    records = [cells for cells in csv.reader(lines, delimiter=delimiter) if cells]
    header = records[0] if records else []
    same = sum(len(cells) == len(header) for cells in records)
    return _Division(
        names_caption=len(header) > 1 and bool(CAPTION_WORDS & {*map(folded, header)}),
        cells=len(header),
        even=same / max(1, len(records)),
    )


def _dialect(lines: Sequence[str], delimiter: str) -> dict[str, Any]:
    """What a table's first lines show of its quotes: a space before them, or escapes in them."""
    header = lines[0].rstrip("\r\n").split(delimiter) if lines else []
    found: dict[str, Any] = {}
    if len(header) > 1 and all(cell.startswith(" ") for cell in header[1:]):
        found["skipinitialspace"] = True
    text = "".join(lines)
    if '\\"' in text and '""' not in text and not _is_csv(lines, delimiter, found):
        found |= {"escapechar": "\\", "doublequote": False}
    return found


def _is_csv(lines: Sequence[str], delimiter: str, dialect: Mapping[str, Any]) -> bool:
    """Whether quotes read as in CSV: a backslash before one may end a path of Windows."""
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True, **dialect))
    except csv.Error:
        return False
    return True


def _quoted(
    lines: Iterable[str], dialect: Mapping[str, Any], where: str, *, skipped: int
) -> Iterator[Cells]:
    csv.field_size_limit(sys.maxsize)
    records = csv.reader(lines, strict=True, **dialect)
    while True:
        start = records.line_num + 1 + skipped
        try:
            cells = next(records, None)
        except csv.Error:
            # An unclosed quote swallows every row after it.
            raise InputError(
                f"{where}: line {start} has an unclosed or misplaced quote; fix that line, or use "
                "--quoting none if quotes are ordinary characters in this file"
            ) from None
        if cells is None:
            return
        if cells:
            yield cells


def _plain(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    for line in lines:
        if text := line.rstrip("\r\n"):
            yield text.split(delimiter)


def _unquoted(lines: Iterable[str], delimiter: str) -> Iterator[Cells | BadRow]:
    """Split lines; unquote cells that are quoted whole, as pandas writes them.

    A cell that opens a quote and does not close it goes on in the next line if its own line has
    too few cells, or can have one only: these lines are set aside.
    """
    width, is_open = 0, False
    for cells in _plain(lines, delimiter):
        width = width or len(cells)
        odd = [cell for cell in cells if cell.count('"') % 2]
        if width == 1:
            is_part = any(cell.startswith('"') or cell.endswith('"') for cell in odd)
        elif is_open:
            is_part = bool(odd) or len(cells) < width
            is_open = is_part and not odd
        else:
            is_part = is_open = any(cell.startswith('"') for cell in odd) and len(cells) < width
        if is_part:
            yield BadRow("open_quote", raw(delimiter.join(cells)))
        else:
            yield [_unquote(cell) if cell.startswith('"') else cell for cell in cells]


def _spans_lines(lines: Sequence[str], delimiter: str) -> bool:
    """Whether the first lines are CSV with quoted line breaks: even records, fewer than lines."""
    filled = [line for line in lines if line.strip()]
    for cut in range(_LONGEST_CELL):  # the last record of the sample may be incomplete
        part = filled[: len(filled) - cut]
        try:
            records = [*csv.reader(part, delimiter=delimiter, strict=True)]
        except csv.Error:
            continue
        return 1 < len(records) < len(part) and len({*map(len, records)}) == 1
    return False


def _unquote(cell: str) -> str:
    inner = cell[1:-1]
    if len(cell) < 2 or not cell.endswith('"') or '"' in inner.replace('""', ""):
        return cell
    return inner.replace('""', '"')
