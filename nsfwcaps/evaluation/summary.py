"""An evaluation as text: one table per data set and task, one column per model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nsfwcaps.evaluation.results import ResultId
from nsfwcaps.evaluation.run import EvaluationOutcome

Place = tuple[str, str, str, str]
"""Data set, task, figure, model."""

_SHOWN, _NOT_SHOWN = "*", "="


def tables(evaluated: EvaluationOutcome) -> str:
    """All tables, and a legend of the marks behind the numbers."""
    found = {_place(test): bool(test["shown"]) for test in evaluated.comparisons}
    places = dict.fromkeys((part.dataset, part.task) for part in evaluated.parts)
    texts = []
    for dataset, task in places:
        parts = [part for part in evaluated.parts if (part.dataset, part.task) == (dataset, task)]
        texts.append(f"{dataset}, {task.value}\n{_table(parts, evaluated, found)}")
    texts += [f"{name}: captions only, no images" for name in evaluated.captions_alone]
    for dataset, counts in evaluated.left_out.items():
        if counts:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
            texts.append(f"{dataset}, left out: {reasons}")
    if found:
        base = evaluated.comparisons[0]["base"]
        texts.append(
            f"{_SHOWN} differs from {base} (p < .05 after Holm correction over {len(found):,} "
            f"comparisons); {_NOT_SHOWN} no significant difference. Brackets: 95 % interval."
        )
    return "\n\n".join(texts)


def values(evaluated: EvaluationOutcome) -> dict[str, Any]:
    """The evaluation as JSON."""
    made = set(evaluated.made)
    return {
        "results": [
            {
                "dataset": part.dataset,
                "task": part.task.value,
                "model": part.model,
                "skipped": part not in made,
                "figures": _figures(evaluated, part),
            }
            for part in evaluated.parts
        ],
        "comparisons": list(evaluated.comparisons),
        "left_out": dict(evaluated.left_out),
        "captions_alone": list(evaluated.captions_alone),
        "missing": [item.facts for item in evaluated.missing],
    }


def _place(test: Mapping[str, Any]) -> Place:
    return test["dataset"], test["task"], test["figure"], test["model"]


def _figures(evaluated: EvaluationOutcome, part: ResultId) -> Mapping[str, Any]:
    figures: Mapping[str, Any] = evaluated.results.read(part)["nsfwcaps"]["figures"]
    return figures


def _table(
    parts: Sequence[ResultId], evaluated: EvaluationOutcome, found: Mapping[Place, bool]
) -> str:
    columns = {part.model: _figures(evaluated, part) for part in parts}
    names = list(dict.fromkeys(name for figures in columns.values() for name in figures))
    rows = [["", *columns]]
    for name in names:
        row = [name]
        for part in parts:
            place = (part.dataset, part.task.value, name, part.model)
            row.append(_cell(columns[part.model].get(name), found.get(place)))
        rows.append(row)
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _cell(item: Mapping[str, Any] | None, shown: bool | None) -> str:
    if item is None or item["value"] is None:
        return "–"  # noqa: RUF001 (marks a missing number)
    text = f"{item['value']:.3f}"
    if item["low"] is not None:
        text += f" [{item['low']:.3f}, {item['high']:.3f}]"
    return text if shown is None else f"{text} {_SHOWN if shown else _NOT_SHOWN}"
