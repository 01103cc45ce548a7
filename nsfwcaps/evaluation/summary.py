"""An evaluation as text: one table per data set and task, one column per model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nsfwcaps.evaluation.results import ResultId
from nsfwcaps.evaluation.run import EvaluationOutcome
from nsfwcaps.evaluation.verdicts import Verdict, in_words

Place = tuple[str, str, str, str]
"""Data set, task, figure, model."""

_MARKS = {Verdict.GAINED: "+", Verdict.LOST: "-", Verdict.KEPT: "=", Verdict.UNDECIDED: "?"}
_NONE = "–"  # noqa: RUF001 (marks a missing number)


def tables(evaluated: EvaluationOutcome) -> str:
    """All tables, and a legend of the marks behind the numbers."""
    judged = [test for test in evaluated.comparisons if test["verdict"]]
    found = {_place(test): _MARKS[Verdict(test["verdict"])] for test in judged}
    places = dict.fromkeys((part.dataset, part.task) for part in evaluated.parts)
    texts = []
    for dataset, task in places:
        parts = [part for part in evaluated.parts if (part.dataset, part.task) == (dataset, task)]
        texts.append(f"{dataset}, {task.value}\n{_table(parts, evaluated, found)}")
    if judged:
        texts.append(f"differences from {judged[0]['base']}\n{_differences(judged)}")
    texts += [f"{name}: captions only, no images" for name in evaluated.captions_alone]
    for dataset, counts in evaluated.left_out.items():
        if counts:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
            texts.append(f"{dataset}, left out: {reasons}")
    if judged:
        texts.append(_legend(judged))
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
    parts: Sequence[ResultId], evaluated: EvaluationOutcome, marks: Mapping[Place, str]
) -> str:
    columns = {part.model: _figures(evaluated, part) for part in parts}
    names = list(dict.fromkeys(name for figures in columns.values() for name in figures))
    rows = [["", *columns]]
    for name in names:
        row = [name]
        for part in parts:
            mark = marks.get((part.dataset, part.task.value, name, part.model), "")
            row.append(f"{_cell(columns[part.model].get(name))} {mark}".rstrip())
        rows.append(row)
    return _aligned(rows)


def _differences(judged: Sequence[Mapping[str, Any]]) -> str:
    """The difference of each primary figure, the evidence behind its mark."""
    rows = [["data set", "figure", "model", "difference", "p (Holm)", ""]]
    for test in judged:
        ends = "" if test["low"] is None else f" [{test['low']:+.3f}, {test['high']:+.3f}]"
        rows.append(
            [
                test["dataset"],
                test["figure"],
                test["model"],
                f"{test['difference']:+.3f}{ends}",
                f"{test['p_holm']:.3g}",
                in_words(test),
            ]
        )
    return _aligned(rows)


def _legend(judged: Sequence[Mapping[str, Any]]) -> str:
    base, margin = judged[0]["base"], judged[0]["margin"]
    return (
        f"Primary figures against {base}: {_MARKS[Verdict.GAINED]} gained or "
        f"{_MARKS[Verdict.LOST]} lost (p < .05 after Holm correction over {len(judged):,} tests); "
        f"{_MARKS[Verdict.KEPT]} kept (the interval rules out a loss of {margin:g}); "
        f"{_MARKS[Verdict.UNDECIDED]} not shown either way. Other figures have no verdict. "
        "Brackets: 95 % interval, not corrected, so it may disagree with p."
    )


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _cell(item: Mapping[str, Any] | None) -> str:
    if item is None or item["value"] is None:
        return _NONE
    text = f"{item['value']:.3f}"
    if item["low"] is not None:
        text += f" [{item['low']:.3f}, {item['high']:.3f}]"
    return text
