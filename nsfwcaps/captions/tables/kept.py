"""Columns of a pool that travel with its captions: their cells as JSON, and their types."""

from __future__ import annotations

import enum
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, time
from typing import Any

from nsfwcaps.captions.tables.column_names import folded

_INT64 = range(-(2**63), 2**63)
# A leading zero makes an id, not a number: "007" stays text.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][+-]?[0-9]+)?")
_FLAGS = {"true": True, "false": False}


class ColumnType(enum.StrEnum):
    """Type of a published column."""

    INTEGER = "int64"
    FLOAT = "float64"
    FLAG = "bool"
    TEXT = "string"


def alike(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two names of such a setting that differ, but not in what they match.

    >>> alike(["id2,license", "license", "Id2"])
    ('id2', 'Id2')
    """
    found: dict[str, str] = {}
    for part in (part.strip() for name in names for part in name.split(",")):
        if found.setdefault(folded(part), part) != part:
            return found[folded(part)], part
    return None


def listed(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of a setting that takes commas and repetition, each once.

    >>> listed(["coco_id, license", "url", "license"])
    ('coco_id', 'license', 'url')
    """
    found: dict[str, str] = {}
    for part in (part.strip() for name in names for part in name.split(",")):
        if part:
            found.setdefault(folded(part), part)
    return tuple(found.values())


def spelt(wanted: Sequence[str], present: Sequence[str]) -> dict[str, str]:
    """Return the pool's spelling of the wanted columns that it has.

    >>> spelt(["license", "url"], ["License ", "caption"])
    {'license': 'License '}
    """
    own = {folded(name): name for name in reversed(present)} | {name: name for name in present}
    found = ((name, own.get(name) or own.get(folded(name))) for name in wanted)
    return {name: theirs for name, theirs in found if theirs is not None}


class Cells:
    """Encodes the kept cells of rows, and remembers the kinds of their values.

    Columns of text tables have no types: `untyped` takes those of their values.
    """

    def __init__(self, *, untyped: bool) -> None:
        self._untyped = untyped
        self._kinds: dict[str, set[ColumnType]] = {}

    def encode(self, row: Mapping[str, Any], columns: Mapping[str, str]) -> str:
        """Return the JSON of a row's cells, by the wanted name; nulls are left out."""
        cells = {}
        for name, own in columns.items():
            kinds = self._kinds.setdefault(name, set())
            value = _plain(row.get(own))
            if value is None:
                continue
            kind = _kind_of_text(value) if self._of_text_table(row[own]) else _kind_of(value)
            kinds.add(kind)
            cells[name] = value
        return _ENCODER.encode(cells)

    def kinds(self) -> dict[str, list[str]]:
        """Return the kinds seen in each column; empty for a column of nulls."""
        return {name: sorted(kinds) for name, kinds in self._kinds.items()}

    def _of_text_table(self, cell: object) -> bool:
        return self._untyped and isinstance(cell, str)  # text of Parquet files arrives as bytes


def widened(kinds: Collection[str]) -> ColumnType:
    """Return the type that holds values of several kinds.

    >>> widened(["int64", "float64"]).value, widened(["int64", "bool"]).value
    ('float64', 'string')
    """
    found = {ColumnType(kind) for kind in kinds}
    if len(found) == 1:
        return found.pop()
    return ColumnType.FLOAT if found == {ColumnType.INTEGER, ColumnType.FLOAT} else ColumnType.TEXT


def decoded(rows: Sequence[str | None], types: Mapping[str, ColumnType]) -> dict[str, list[Any]]:
    """Return the values `[n]` of each kept column from the JSON of n rows, each as its type."""
    cells = [{} if row is None else json.loads(row) for row in rows]
    return {name: [_as(cell.get(name), kind) for cell in cells] for name, kind in types.items()}


def comparable(rows: Sequence[str | None], names: Sequence[str]) -> dict[str, list[str | None]]:
    """Return the values `[n]` of kept columns as text in which equal numbers are equal.

    A typed whole number is the same as an integer or a float, since a table of floats may hold what
    were integers beside a null. Text stays as it is: '042' and '42.0' may be names.

    >>> comparable(['{"a":42.0}', '{"a":42}', '{"a":"42"}', '{"a":"042"}', '{"a":1.5}'], ["a"])
    {'a': ['42', '42', '42', '042', '1.5']}
    """
    cells = [{} if row is None else json.loads(row) for row in rows]
    return {
        name: [_as(_whole(cell.get(name)), ColumnType.TEXT) for cell in cells] for name in names
    }


def _whole(value: Any) -> Any:
    # Above 2**53 floats have no units digit.
    exact = isinstance(value, float) and value.is_integer() and abs(value) <= 2**53
    return int(value) if exact else value


def _as(value: Any, kind: ColumnType) -> Any:
    if value is None:
        return None
    if kind is ColumnType.TEXT:
        return value if isinstance(value, str) else _ENCODER.encode(value)
    if kind is ColumnType.FLAG:
        return value if isinstance(value, bool) else _FLAGS[value.lower()]
    return int(value) if kind is ColumnType.INTEGER else float(value)


def _plain(cell: object) -> Any:
    """Return a cell as a JSON value; None for a null, NaN or blank one."""
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8", errors="replace")
    if isinstance(cell, str):
        text = cell.strip()
        return text.encode("utf-8", errors="replace").decode() if text else None
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    return cell if isinstance(cell, bool | int | float | list | dict) else _text(cell)


def _kind_of(value: Any) -> ColumnType:
    if isinstance(value, bool):
        return ColumnType.FLAG
    if isinstance(value, int) and value in _INT64:
        return ColumnType.INTEGER
    return ColumnType.FLOAT if isinstance(value, float) else ColumnType.TEXT


def _kind_of_text(text: str) -> ColumnType:
    if _INTEGER.fullmatch(text) and int(text) in _INT64:
        return ColumnType.INTEGER
    if _DECIMAL.fullmatch(text):
        return ColumnType.FLOAT
    return ColumnType.FLAG if text.lower() in _FLAGS else ColumnType.TEXT


def _text(value: object) -> str:
    """Return what JSON has no type for as text: dates, decimals, bytes within lists."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value.isoformat() if isinstance(value, date | time) else str(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_text)
