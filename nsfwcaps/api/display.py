"""Notebook display: numbers are visible, captions only after a click."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps import pipeline
from nsfwcaps.artifacts import StageRecord

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN = 20
_COVER = b"nsfwcaps.covered"
"""Key in the schema metadata of a table whose cells are hidden in notebooks."""


def run_as_html(path: Path, records: Iterable[StageRecord], first: pa.Table | None) -> str:
    """A table of the stages, and the first pairs in a collapsed element."""
    rows = "".join(
        f"<tr><td>{escape(record.stage)}</td><td>{record.rows_in:,}</td>"
        f"<td>{record.rows_out:,}</td><td>{escape(pipeline.headline(record))}</td></tr>"
        for record in records
    )
    return (
        f"<b>Run {escape(str(path))}</b>"
        f"<table><tr><th>stage</th><th>rows in</th><th>rows out</th><th></th></tr>{rows}</table>"
        + ("" if first is None else _covered_pairs(first.slice(0, _SHOWN)))
    )


def _covered_pairs(pairs: pa.Table) -> str:
    columns = ("unsafe_caption", "safe_caption", "sim_text", "difficulty", "stage")
    head = "".join(f"<th>{name}</th>" for name in columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_cell(row[name])}</td>" for name in columns) + "</tr>"
        for row in pairs.select(columns).to_pylist()
    )
    return (
        f"<details><summary>{pairs.num_rows} pairs (may offend): click to show</summary>"
        f"<table><tr>{head}</tr>{rows}</table></details>"
    )


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else escape(str(value))


def cover(table: pa.Table) -> pa.Table:
    """Mark a table so that IPython shows its size and columns instead of its cells.

    Other tables are not affected, nor are tables derived from this one that drop the metadata.
    """
    _cover_in_ipython()
    return table.replace_schema_metadata({_COVER: b"captions"})


def _cover_in_ipython() -> None:
    """Register the display of covered tables with IPython, if it is running."""
    import pyarrow as pa

    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    if shell is None:
        return
    formatter = shell.display_formatter.formatters["text/plain"]
    if formatter.type_printers.get(pa.Table) is not _show:
        formatter.for_type(pa.Table, _show)


def _show(table: pa.Table, printer: Any, cycle: bool) -> None:
    """Pretty-printer of tables for IPython."""
    if _COVER not in (table.schema.metadata or {}):
        printer.text(repr(table))
        return
    columns = ", ".join(table.column_names)
    printer.text(f"pyarrow.Table: {table.num_rows:,} rows, cells hidden; columns: {columns}")
