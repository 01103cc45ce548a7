"""What the figures of an evaluation rest on, as text: right answers, notes, figures by a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nsfwcaps.evaluation.results import ResultId
from nsfwcaps.evaluation.run import EvaluationOutcome

_FIRST = ("R@1", "unsafe first")
"""Figures by a column that the terminal shows; results.csv has all."""


def text(evaluated: EvaluationOutcome, *, by: str | None) -> str:
    """Lines below the tables: each data set's right answer and notes, then figures by a column."""
    lines = []
    for place, told in facts(evaluated).items():
        if answer := told.get("right_answer"):
            lines.append(f"{place}, right answer: {answer}")
        lines += [f"{place}, note: {note}" for note in told.get("notes", ())]
    if by is not None:
        for part in evaluated.parts:
            lines += _by_column(part, evaluated, by)
    return "".join(f"\n{line}" for line in lines)


def facts(evaluated: EvaluationOutcome) -> dict[str, Mapping[str, Any]]:
    """Return right answer, equivalents, templates and notes by "DATASET, TASK"."""
    names = ("right_answer", "equivalents", "templates", "notes")
    found: dict[str, Mapping[str, Any]] = {}
    for part in evaluated.parts:  # equal for all models, as the data and the base are
        known = evaluated.results.read(part)["nsfwcaps"]["facts"]
        told = {name: known[name] for name in names if name in known}
        if told:
            found[f"{part.dataset}, {part.task.value}"] = told
    return found


def _by_column(part: ResultId, evaluated: EvaluationOutcome, by: str) -> Iterator[str]:
    own = evaluated.results.read(part)["nsfwcaps"]
    for figure, values in own["by_category"].items():
        if figure.endswith(_FIRST):
            each = [f"{value} {_measured(item)}" for value, item in values.items()]
            yield f"{part.dataset}, {part.model}, {figure} by {by}: {', '.join(each)}"


def _measured(item: Mapping[str, Any]) -> str:
    around = "" if item["low"] is None else f" [{item['low']:.3f}, {item['high']:.3f}]"
    return f"{item['value']:.3f}{around} (n {item['n']:,})"
