"""The paper's tables as text, published rows above measured ones."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from nsfwcaps.evaluation.data import Missing
from nsfwcaps.evaluation.paper.measured import MeasuredTable
from nsfwcaps.evaluation.paper.published import TITLE

_WIDTH = 100
_NONE = "–"  # noqa: RUF001 (marks a missing number)
_CAUTION = (
    "Published rows are quoted, not tested against: other data, images or judges give other "
    "figures. Only models measured here, on the same data, compare with each other."
)


def paper_text(tables: Sequence[MeasuredTable], missing: Sequence[Missing]) -> str:
    """Return all tables in percent, and what the suite needs and does not have."""
    texts = [f"Tables of {TITLE}, in %", *map(_table, tables), _filled(_CAUTION)]
    if missing:
        needs = [_filled(f"- {item}", "  ") for item in missing]
        texts.append("\n".join(["Missing for these tables:", *needs]))
    return "\n\n".join(texts)


def _table(found: MeasuredTable) -> str:
    table = found.table
    rows = [["", *(column.title for column in table.columns)]]
    rows += [[f"published: {name}", *map(_number, row)] for name, row in table.rows.items()]
    rows += [[f"measured: {name}", *map(_number, row)] for name, row in found.rows.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    notes = "; ".join([*found.notes, f"source: {table.source}"])
    return "\n".join([table.title, *lines, _filled(f"({notes})")])


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.1f}"


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
