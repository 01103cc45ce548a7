"""The summary: gains and losses, with confidence intervals, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nsfwcaps.reports.figures import (
    HEADLINES,
    Goal,
    headlines_first,
    kind,
    write_n,
    write_p,
    write_size,
)
from nsfwcaps.reports.tables import Cell, ShownVerdict, Table, TableRow

_SAFE = ("safe text", "safe image")
_REDIRECTIONS = ("T*→V", "V*→T", "T*→T")
_LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The summary of one model."""

    model: str
    lead: str
    gained: Sequence[str]
    lost: Sequence[str]
    kept: Sequence[str]
    undecided: Sequence[str]
    secondary: Sequence[str]
    """Headline figures without a verdict."""
    uncompared: Sequence[str]
    further: Further
    """Tested figures that are no headline figures."""


@dataclass(frozen=True, kw_only=True)
class Further:
    """Figures with a test but no sentence of their own."""

    apart: Sequence[str]
    """Those whose p is below .05, without correction: values, difference and p."""
    rest: str
    """Names of the others, as one sentence; empty if there is none."""


@dataclass(frozen=True, kw_only=True)
class _Finding:
    table: Table
    row: TableRow
    cell: Cell
    base: Cell

    @property
    def sentence(self) -> str:
        """Both values, the difference with its interval, and what belongs beside it."""
        what = HEADLINES[self.row.name]
        text = (
            f"{what[0].upper()}{what[1:]} ({_place(self.table, self.row.name, self.cell)}): "
            f"{self.base.value} before, {self.cell.value} after{self.change}"
        )
        return f"{text}{self._loss}.{beside(self.table, self.row.name, self.cell.model)}"

    @property
    def change(self) -> str:
        """The difference with its interval; that of a secondary figure with its p."""
        if not self.cell.difference or self.cell.comparison is None:
            return ""
        between = self.cell.difference_interval
        text = f"; {self.cell.difference}{f' ({between})' if between else ''}"
        if self.cell.verdict is ShownVerdict.SECONDARY:
            text += f", p {write_p(self.cell.comparison.p)}"
        return text

    @property
    def _loss(self) -> str:
        """What the interval says of a loss, where neither gain nor loss is shown."""
        found, name = self.cell.comparison, self.row.name
        if found is None or found.low is None or found.high is None or found.margin is None:
            return ""
        if self.cell.verdict is ShownVerdict.KEPT:
            return f"; a loss of {write_size(name, found.margin)} is ruled out"
        if self.cell.verdict is ShownVerdict.UNDECIDED:
            worst = -found.low if kind(name).larger_is_better else found.high
            return f"; a loss of up to {write_size(name, worst)} is not ruled out"
        return ""


def summaries(tables: Sequence[Table], base: str, models: Sequence[str]) -> list[Summary]:
    """Summarise the headline figures of each model other than the base."""
    compared = [table for table in tables if table.compared]
    return [
        _summary(_findings(compared, base, model), _further(compared, base, model), base, model)
        for model in models
    ]


def smallest_change(tables: Sequence[Table]) -> str:
    """Say how many queries must change before any test of a primary figure can show it.

    If k queries change, all in one direction, the p of an exact test is 0.5ᵏ (McNemar's mid-p),
    before Holm's correction. Empty if that is no more than the margin, or without tests.
    """
    cells = [cell for table in tables if table.compared for _, cell in table.tested]
    primary = [cell for cell in cells if cell.comparison and cell.comparison.p_holm is not None]
    counts = [cell.figure.units or cell.figure.n for cell in primary]
    sizes = [n for n in counts if n]
    if not sizes:
        return ""
    least, tests = min(sizes), len(primary)
    needed = math.floor(math.log2(tests / _LEVEL)) + 1
    margin = max(cell.comparison.margin or 0.0 for cell in primary if cell.comparison)
    if needed <= margin * least:
        return ""
    if needed > least:
        return (
            f"With {least:,} independent queries and {tests:,} tests, no change of a primary "
            "figure can be shown."
        )
    return (
        f"With {least:,} independent queries and {tests:,} tests, at least {needed:,} queries must "
        f"change, all in one direction, for a change to be shown: {100 * needed / least:.0f} "
        "points of a share."
    )


def alone(tables: Sequence[Table]) -> list[str]:
    """List the headline figures of an evaluation of one model."""
    return [
        f"{HEADLINES[row.name][0].upper()}{HEADLINES[row.name][1:]} "
        f"({_place(table, row.name, cell)}): {cell.value}"
        f"{f' ({cell.interval})' if cell.interval else ''}.{beside(table, row.name, cell.model)}"
        for table, row in _headlines(tables)
        for cell in row.cells
        if cell
    ]


def structure(tables: Sequence[Table], model: str) -> list[str]:
    """Describe the preserved structure of safe items per data set."""
    sentences = []
    for table in tables:
        values = {row.name: cell.value for row in table.rows if (cell := row.cell(model))}
        kept = [
            f"{kind}: spread ratio {values[f'spread ratio {kind}']}, "
            f"neighbourhood overlap {values.get(f'overlap {kind}', 'not measured')}"
            for kind in _SAFE
            if f"spread ratio {kind}" in values
        ]
        if kept:
            sentences.append(f"Structure on {table.dataset}: {'; '.join(kept)}.")
    return sentences


def beside(table: Table, figure: str, model: str) -> str:
    """Say what must stand beside a redirection figure: the other direction, and unsafe items first.

    Empty for other figures.
    """
    direction = figure.removesuffix(" R@1")
    if direction not in _REDIRECTIONS:
        return ""
    cells = {row.name: cell for row in table.rows if (cell := row.cell(model))}
    found = [
        f"{name} {cells[name].value}"
        for name in (
            *(f"{other} R@1" for other in _REDIRECTIONS if other != direction),
            *(f"{each} unsafe first" for each in _REDIRECTIONS),
        )
        if name in cells
    ]
    return f" Beside it: {', '.join(found)}." if found else ""


def _place(table: Table, figure: str, cell: Cell) -> str:
    n = write_n(cell.figure.n, cell.figure.units)
    return ", ".join(filter(None, (table.dataset, figure, n)))


def _summary(findings: Sequence[_Finding], further: Further, base: str, model: str) -> Summary:
    def sentences(verdict: ShownVerdict) -> list[str]:
        return [item.sentence for item in findings if item.cell.verdict is verdict]

    return Summary(
        model=model,
        lead=_lead(findings, base, model),
        gained=sentences(ShownVerdict.GAINED),
        lost=sentences(ShownVerdict.LOST),
        kept=sentences(ShownVerdict.KEPT),
        undecided=sentences(ShownVerdict.UNDECIDED),
        secondary=sentences(ShownVerdict.SECONDARY),
        uncompared=sentences(ShownVerdict.UNCOMPARED),
        further=further,
    )


def _lead(findings: Sequence[_Finding], base: str, model: str) -> str:
    parts = []
    for goal, what in ((Goal.REDIRECTED, "redirection"), (Goal.UTILITY, "utility")):
        verdicts = [item.cell.verdict for item in findings if item.row.goal is goal]
        counted = [
            f"{word} in {verdicts.count(verdict)}"
            for verdict, word in (
                (ShownVerdict.GAINED, "gained"),
                (ShownVerdict.LOST, "lost"),
                (ShownVerdict.KEPT, "kept within the margin"),
                (ShownVerdict.UNDECIDED, "not shown either way"),
            )
        ]
        primary = [
            one for one in verdicts if one not in (ShownVerdict.SECONDARY, ShownVerdict.UNCOMPARED)
        ]
        if not verdicts:
            parts.append(f"{what} was not measured")
        elif not primary:
            parts.append(f"{what} was not compared")
        else:
            parts.append(f"of {len(primary)} primary figures of {what}, {', '.join(counted)}")
    return f"{model} versus {base}: {'; '.join(parts)}."


def _findings(tables: Sequence[Table], base: str, model: str) -> list[_Finding]:
    found = []
    for table, row in _headlines(tables):
        cell, other = row.cell(model), row.cell(base)
        if cell and other:
            found.append(_Finding(table=table, row=row, cell=cell, base=other))
    return found


def _headlines(tables: Sequence[Table]) -> list[tuple[Table, TableRow]]:
    rows = [(table, row) for table in tables for row in table.rows if row.name in HEADLINES]
    return sorted(rows, key=lambda item: headlines_first(item[1].name))


def _further(tables: Sequence[Table], base: str, model: str) -> Further:
    found = [
        _Finding(table=table, row=row, cell=cell, base=other)
        for table in tables
        for row in table.rows
        if row.name not in HEADLINES
        and (cell := row.cell(model))
        and (other := row.cell(base))
        and cell.comparison
    ]
    apart = [item for item in found if _is_apart(item.cell)]
    rest = [item for item in found if not _is_apart(item.cell)]
    return Further(
        apart=[
            f"{_place(item.table, item.row.name, item.cell)}: {item.base.value} before, "
            f"{item.cell.value} after{item.change}."
            for item in apart
        ],
        rest="; ".join(
            f"{dataset}: {', '.join(one.row.name for one in rest if one.table.dataset == dataset)}"
            for dataset in dict.fromkeys(item.table.dataset for item in rest)
        ),
    )


def _is_apart(cell: Cell) -> bool:
    p = cell.comparison.p if cell.comparison else None
    return p is not None and p < _LEVEL
