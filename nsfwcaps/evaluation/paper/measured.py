"""Measured figures of the paper's tables, from the result files of an evaluation's folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from nsfwcaps.evaluation.paper.published import (
    CLASS_SETS,
    PAIRS,
    TABLES,
    PaperColumn,
    PaperSet,
    PaperTable,
)


@dataclass(frozen=True, kw_only=True)
class MeasuredTable:
    """A table of the paper with the rows `[columns]` of the evaluated models, in percent."""

    table: PaperTable
    rows: dict[str, tuple[float | None, ...]]
    """None: not measured."""
    notes: tuple[str, ...]
    """What limits a comparison with the published rows."""

    @property
    def facts(self) -> dict[str, Any]:
        """The table as JSON."""
        return {
            "table": self.table.title,
            "task": self.table.task,
            "columns": [column.title for column in self.table.columns],
            "published": {name: list(row) for name, row in self.table.rows.items()},
            "source": self.table.source,
            "measured": {name: list(row) for name, row in self.rows.items()},
            "notes": list(self.notes),
        }


def measured_tables(out: Path, models: Sequence[str]) -> list[MeasuredTable]:
    """Read every table's figures of these models."""
    found = []
    for table in TABLES:
        read = [_column(out, table.task, column) for column in table.columns]
        rows = {name: tuple(values.get(name) for values, _ in read) for name in models}
        notes = dict.fromkeys(note for _, told in read for note in told)
        own = () if table.note is None else (table.note,)
        found.append(MeasuredTable(table=table, rows=rows, notes=(*own, *notes)))
    return found


def result_files(out: Path, of: PaperSet, task: str) -> dict[str, Path]:
    """Return the result file of each model for a set of the paper."""
    files: dict[str, Path] = {}
    for path in _files(out, task):
        if of.is_named(path.parts[-3]):
            files.setdefault(path.stem, path)
    return files


def _files(out: Path, task: str) -> list[Path]:
    return sorted((out / "results").glob(f"*/{task}/*.json"))


def _column(out: Path, task: str, column: PaperColumn) -> tuple[dict[str, float | None], list[str]]:
    """Return the value of each model, and notes."""
    if column.of is None:
        return _mean_over_sets(out, task, column)
    values: dict[str, float | None] = {}
    notes: list[str] = []
    for model, path in result_files(out, column.of, task).items():
        name, item = _figure(path, column)
        values[model] = _percent(item)
        notes += _count_notes(column.of, item, name)
    return values, notes


def _count_notes(of: PaperSet, item: Any, name: str | None) -> Iterator[str]:
    if name is None:
        return
    if "partner" in name:
        yield f"{of.name}: the right answer is the partner, as in the paper"
    published = PAIRS.get(of.name) if name.startswith("T*") else None
    if published is not None and item["n"] != published:
        yield f"{of.name}: {item['n']:,} unsafe captions here, {published:,} in the paper"


def _mean_over_sets(
    out: Path, task: str, column: PaperColumn
) -> tuple[dict[str, float | None], list[str]]:
    """Return the mean over the sets that a model has results for."""
    of_model: dict[str, dict[str, float]] = {}
    for path in _files(out, task):
        value = _percent(_figure(path, column)[1])
        if value is not None:
            of_model.setdefault(path.stem, {})[path.parts[-3]] = value
    sets = sorted({name for values in of_model.values() for name in values})
    notes = [f"measured over {len(sets)}: {', '.join(sets)}"] if sets else []
    if sets and len(sets) != CLASS_SETS:
        notes.append("means over other sets do not compare with the published ones")
    return {model: _mean(values, sets) for model, values in of_model.items()}, notes


def _mean(values: dict[str, float], sets: Sequence[str]) -> float | None:
    """Return the mean, or None for a model that lacks a set that others have."""
    return fmean(values.values()) if len(values) == len(sets) else None


def _figure(path: Path, column: PaperColumn) -> tuple[str | None, Any]:
    """Return the first of a column's figures that a result has."""
    figures = json.loads(path.read_bytes())["nsfwcaps"]["figures"]
    return next(((name, figures[name]) for name in column.figures if name in figures), (None, None))


def _percent(item: Any) -> float | None:
    return None if item is None or item["value"] is None else 100 * item["value"]
