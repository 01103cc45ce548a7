"""The summary: gains and losses, with confidence intervals, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nsfwcaps.reports.figures import HEADLINES, Goal, headlines_first
from nsfwcaps.reports.tables import Cell, Table, TableRow, Verdict

_SAFE = ("safe text", "safe image")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The summary of one model."""

    model: str
    lead: str
    gained: Sequence[str]
    lost: Sequence[str]
    not_shown: Sequence[str]
    untested: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class _Finding:
    table: Table
    row: TableRow
    cell: Cell
    base: Cell

    @property
    def sentence(self) -> str:
        """Both values, and the tested difference with its interval."""
        what = HEADLINES[self.row.name]
        text = (
            f"{what[0].upper()}{what[1:]} ({self.table.dataset}, {self.row.name}): "
            f"{self.base.value} before, {self.cell.value} after"
        )
        if not self.cell.difference:
            return f"{text}."
        between = self.cell.difference_interval
        return f"{text}; {self.cell.difference}{f' ({between})' if between else ''}."


def summaries(tables: Sequence[Table], base: str, models: Sequence[str]) -> list[Summary]:
    """Summarise the headline figures of each model other than the base."""
    return [_summary(_findings(tables, base, model), base, model) for model in models]


def alone(tables: Sequence[Table]) -> list[str]:
    """List the headline figures of an evaluation of one model."""
    return [
        f"{HEADLINES[row.name][0].upper()}{HEADLINES[row.name][1:]} ({table.dataset}, {row.name}): "
        f"{cell.value}{f' ({cell.interval})' if cell.interval else ''}."
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


def _summary(findings: Sequence[_Finding], base: str, model: str) -> Summary:
    def sentences(verdict: Verdict) -> list[str]:
        return [item.sentence for item in findings if item.cell.verdict is verdict]

    return Summary(
        model=model,
        lead=_lead(findings, base, model),
        gained=sentences(Verdict.BETTER),
        lost=sentences(Verdict.WORSE),
        not_shown=sentences(Verdict.NOT_SHOWN),
        untested=sentences(Verdict.UNTESTED),
    )


def _lead(findings: Sequence[_Finding], base: str, model: str) -> str:
    parts = []
    for goal, what in ((Goal.REDIRECTED, "redirection"), (Goal.KEPT, "utility")):
        verdicts = [item.cell.verdict for item in findings if item.row.goal is goal]
        if not verdicts:
            parts.append(f"{what} was not measured")
            continue
        better, worse = verdicts.count(Verdict.BETTER), verdicts.count(Verdict.WORSE)
        rest = len(verdicts) - better - worse
        parts.append(
            f"{what} better in {better} of {len(verdicts)} figures, worse in {worse}, "
            f"not significantly different in {rest}"
        )
    return f"{model} versus {base}: {'; '.join(parts)}."


def _findings(tables: Sequence[Table], base: str, model: str) -> list[_Finding]:
    found = []
    for table, row in _headlines([table for table in tables if table.compared]):
        cell, other = row.cell(model), row.cell(base)
        if cell and other:
            found.append(_Finding(table=table, row=row, cell=cell, base=other))
    return found


def _headlines(tables: Sequence[Table]) -> list[tuple[Table, TableRow]]:
    rows = [(table, row) for table in tables for row in table.rows if row.name in HEADLINES]
    return sorted(rows, key=lambda item: headlines_first(item[1].name))
