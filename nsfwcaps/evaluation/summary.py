"""An evaluation as text: one table per data set and task, one column per model."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nsfwcaps.evaluation.results import ResultId
from nsfwcaps.evaluation.run import EvaluationOutcome
from nsfwcaps.evaluation.verdicts import Verdict, in_words

Place = tuple[str, str, str, str]
"""Data set, task, figure, model."""

_MARKS = {Verdict.GAINED: "+", Verdict.LOST: "-", Verdict.KEPT: "=", Verdict.UNDECIDED: "?"}
_WIDTH = 100
"""Of lines. Models that do not fit beside each other come in further tables."""
_DIGITS = range(3, 7)
_NONE = "–"  # noqa: RUF001 (marks a missing number)


def tables(evaluated: EvaluationOutcome) -> str:
    """Say how many items each data set has; then all tables, and a legend of the marks."""
    judged = [test for test in evaluated.comparisons if test["verdict"]]
    found = {_place(test): _MARKS[Verdict(test["verdict"])] for test in judged}
    places = dict.fromkeys((part.dataset, part.task) for part in evaluated.parts)
    texts = ["\n".join(_counts(evaluated))] if evaluated.counts else []
    for dataset, task in places:
        parts = [part for part in evaluated.parts if (part.dataset, part.task) == (dataset, task)]
        texts.append(f"{dataset}, {task.value}\n{_tables(parts, evaluated, found)}")
    if judged:
        texts += [
            f"{model} against {judged[0]['base']}\n{_differences(judged, model)}"
            for model in dict.fromkeys(test["model"] for test in judged)
        ]
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


def _counts(evaluated: EvaluationOutcome) -> list[str]:
    return [
        f"{dataset}: {', '.join(f'{count:,} {what}' for what, count in counts.items())}"
        for dataset, counts in evaluated.counts.items()
    ]


def _tables(
    parts: Sequence[ResultId], evaluated: EvaluationOutcome, marks: Mapping[Place, str]
) -> str:
    """A table of all models, or several of as many as fit in a line."""
    columns = {part.model: _figures(evaluated, part) for part in parts}
    names = list(dict.fromkeys(name for figures in columns.values() for name in figures))
    first = [
        ["", "n"],
        *([name, _n([item.get(name) for item in columns.values()])] for name in names),
    ]
    others = [
        [
            part.model,
            *(
                f"{_cell(columns[part.model].get(name))} "
                f"{marks.get((part.dataset, part.task.value, name, part.model), '')}".rstrip()
                for name in names
            ),
        ]
        for part in parts
    ]
    return "\n\n".join(
        _aligned([[*row, *rest] for row, rest in zip(first, zip(*some, strict=True), strict=True)])
        for some in _fitting(first, others)
    )


def _fitting(
    first: Sequence[Sequence[str]], others: Sequence[Sequence[str]]
) -> Iterator[list[Sequence[str]]]:
    """Divide columns into groups that fit in a line beside the first ones."""
    room = _WIDTH - sum(max(map(len, column)) + 2 for column in zip(*first, strict=True))
    group: list[Sequence[str]] = []
    used = 0
    for column in others:
        width = max(map(len, column)) + 2
        if group and used + width > room + 2:
            yield group
            group, used = [], 0
        group.append(column)
        used += width
    yield group


def _n(items: Sequence[Mapping[str, Any] | None]) -> str:
    """Number of queries, with that of the units if some queries vary together."""
    counts = {(item["n"], item.get("units")) for item in items if item and item["n"] is not None}
    if len(counts) != 1:
        return ""
    ((n, units),) = counts
    return f"{n:,}" if units in (None, n) else f"{n:,} ({units:,} units)"


def _differences(judged: Sequence[Mapping[str, Any]], model: str) -> str:
    """The difference of each primary figure of a model, the evidence behind its mark."""
    rows = [["data set", "figure", "difference", "p (Holm)", ""]]
    for test in (test for test in judged if test["model"] == model):
        ends = _ends(test["low"], test["high"], "+")
        rows.append(
            [
                test["dataset"],
                test["figure"],
                f"{_number(test['difference'], '+')}{ends}",
                f"{test['p_holm']:.3g}",
                in_words(test),
            ]
        )
    return _aligned(rows)


def _legend(judged: Sequence[Mapping[str, Any]]) -> str:
    base, margin = judged[0]["base"], judged[0]["margin"]
    text = (
        f"Primary figures against {base}: {_MARKS[Verdict.GAINED]} gained or "
        f"{_MARKS[Verdict.LOST]} lost (p < .05 after Holm correction over {len(judged):,} tests); "
        f"{_MARKS[Verdict.KEPT]} kept (the interval rules out a loss of {margin:g}); "
        f"{_MARKS[Verdict.UNDECIDED]} not shown either way. Other figures have no verdict. "
        "Brackets: 95 % interval, not corrected, so it may disagree with p."
    )
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _cell(item: Mapping[str, Any] | None) -> str:
    if item is None or item["value"] is None:
        return _NONE
    return f"{_number(item['value'])}{_ends(item['low'], item['high'])}"


def _ends(low: float | None, high: float | None, sign: str = "") -> str:
    """Interval in brackets, with as many digits as show its width."""
    if low is None or high is None:
        return ""
    for digits in _DIGITS:
        ends = _number(low, sign, digits), _number(high, sign, digits)
        if ends[0] != ends[1]:
            return f" [{ends[0]}, {ends[1]}]"
    return f" [{_number(low, sign)}, {_number(high, sign)}]"


def _number(value: float, sign: str = "", digits: int = 3) -> str:
    """Format a number; adding 0.0 turns -0.0 into 0.0."""
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}"
