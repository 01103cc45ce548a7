"""Tables of a report: figures as rows, models as columns, and the verdicts of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from nsfwcaps.reports.evaluated import Facts, facts
from nsfwcaps.reports.figures import (
    NONE,
    Goal,
    kind,
    naturally,
    write,
    write_difference,
    write_interval,
)
from nsfwcaps.reports.results import Figure, ModelComparison, ReportInput, TaskResult

_ROUNDING = 1e-6
_TASKS = ("retrieval", "real-nsfw", "preferences", "zeroshot", "structure")
_TOLD = ("right_answer", "notes")
"""Facts that are shown above the table, as they say how to read it."""
_LAYERS = "weight_deviation_by_layer"
"""A fact with a value per layer, shown in a table of its own."""


class ShownVerdict(StrEnum):
    """ShownVerdict on a model against the base, in words."""

    GAINED = "gained"
    LOST = "lost"
    KEPT = "kept within the margin"
    UNDECIDED = "not shown either way"
    SECONDARY = "secondary, no verdict"
    UNCOMPARED = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A figure for one model."""

    model: str
    figure: Figure
    value: str
    interval: str
    verdict: ShownVerdict = ShownVerdict.UNCOMPARED
    comparison: ModelComparison | None = None
    difference: str = ""
    difference_interval: str = ""
    best: bool = False


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """A figure for all models of a table; None if a model lacks it."""

    name: str
    goal: Goal
    cells: Sequence[Cell | None]

    @property
    def n(self) -> int | None:
        """Number of queries behind the mean, if equal for all models."""
        counts = {cell.figure.n for cell in self.cells if cell}
        return counts.pop() if len(counts) == 1 else None

    @property
    def units(self) -> int | None:
        """Number of independent units, if equal for all models and not that of the queries."""
        counts = {cell.figure.units for cell in self.cells if cell}
        units = counts.pop() if len(counts) == 1 else None
        return None if units == self.n else units

    def cell(self, model: str) -> Cell | None:
        """Return the cell of one model."""
        return next((cell for cell in self.cells if cell and cell.model == model), None)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Results of models evaluated on the same data in the same way."""

    dataset: str
    task: str
    models: Sequence[str]
    rows: Sequence[TableRow]
    parts: Sequence[TaskResult] = field(repr=False)
    compared: bool
    """False for models whose basis differs from the first model's (the base, if it has a
    result)."""
    data_digest: str

    @property
    def groups(self) -> list[tuple[Goal, list[TableRow]]]:
        """Rows by goal."""
        by_goal = [(goal, [row for row in self.rows if row.goal is goal]) for goal in Goal]
        return [(goal, rows) for goal, rows in by_goal if rows]

    @property
    def tested(self) -> list[tuple[TableRow, Cell]]:
        """All figures that were compared with the base."""
        cells = [(row, cell) for row in self.rows for cell in row.cells]
        return [(row, cell) for row, cell in cells if cell and cell.comparison]

    @property
    def facts(self) -> Facts:
        """Counts of the first model's part, which hold for all, as the data is the same."""
        apart = (_LAYERS, *_TOLD)
        return facts({key: item for key, item in self.parts[0].facts.items() if key not in apart})

    @property
    def told(self) -> list[str]:
        """Sentences that say what the right answer is, and what limits the figures."""
        known = self.parts[0].facts
        answer = known.get("right_answer")
        # After "Note:", as a note may begin with the name of a model.
        notes = [f"Note: {note}." for note in known.get("notes", ())]
        return [*([f"Right answer: {answer}."] if answer else ()), *notes]

    @property
    def layers(self) -> dict[str, list[str]]:
        """Layer -> weight deviation in each model, where measured."""
        each = [dict(facts(part.facts.get(_LAYERS) or {})) for part in self.parts]
        names = dict.fromkeys(name for layers in each for name in layers)
        return {name: [layers.get(name, NONE) for layers in each] for name in names}


def tables(evaluation: ReportInput) -> list[Table]:
    """Make one table per data set, task and basis, the base's first."""
    places = {(part.dataset, part.task) for part in evaluation.parts}
    found = []
    for dataset, task in sorted(places, key=_in_order):
        there = {p.model: p for p in evaluation.parts if (p.dataset, p.task) == (dataset, task)}
        parts = [there[name] for name in evaluation.models if name in there]
        for basis in dict.fromkeys(part.basis for part in parts):
            alike = [part for part in parts if part.basis == basis]
            found.append(_table(evaluation, alike, compared=basis == parts[0].basis))
    return found


def _in_order(place: tuple[str, str]) -> tuple[int, str, str]:
    """Sort key: tasks in their natural order, those of other commands last."""
    dataset, task = place
    return (_TASKS.index(task) if task in _TASKS else len(_TASKS), task, dataset)


def unequal(found: Iterable[Table]) -> list[str]:
    """List the models that are not compared because their basis differs."""
    return [
        f"{' and '.join(table.models)} on {table.dataset}, {table.task}: not compared, because the "
        f"data ({table.data_digest[:12]}), the settings or the version differ from the first "
        "model's; evaluate all models in one 'nsfwcaps eval' command"
        for table in found
        if not table.compared
    ]


def stale(evaluation: ReportInput) -> list[str]:
    """List the comparisons that do not match the results."""
    values = {
        (part.dataset, part.task, name, part.model): figure.value
        for part in evaluation.parts
        for name, figure in part.figures.items()
    }
    wrong = set()
    for (dataset, task, name, model), comparison in evaluation.comparisons.items():
        one = values.get((dataset, task, name, model))
        base = values.get((dataset, task, name, evaluation.base))
        if one is None or base is None or not _fits(comparison, one - base):
            wrong.add((dataset, task, model))
    return [
        f"comparisons.json does not match the results of {model} on {dataset}, {task}; run the "
        "same 'nsfwcaps eval' command again to rewrite it"
        for dataset, task, model in sorted(wrong)
    ]


def _table(evaluation: ReportInput, parts: Sequence[TaskResult], *, compared: bool) -> Table:
    first = parts[0]
    base = next((part for part in parts if part.model == evaluation.base), None)
    names = {name for part in parts for name in part.figures}
    return Table(
        dataset=first.dataset,
        task=first.task,
        models=[part.model for part in parts],
        rows=[
            _row(name, parts, lambda part, name=name: _test(evaluation, base, part, name))  # type: ignore[misc]
            for name in sorted(names, key=naturally)
        ],
        parts=parts,
        compared=compared,
        data_digest=first.data_digest,
    )


def _test(
    evaluation: ReportInput, base: TaskResult | None, part: TaskResult, name: str
) -> ModelComparison | None:
    """Return the comparison with the base, if it exists and matches these values."""
    found = evaluation.comparisons.get((part.dataset, part.task, name, part.model))
    if found is None or base is None or name not in base.figures:
        return None
    one, other = part.figures[name].value, base.figures[name].value
    return found if one is not None and other is not None and _fits(found, one - other) else None


def _fits(comparison: ModelComparison, difference: float) -> bool:
    return abs(comparison.difference - difference) <= _ROUNDING


def _row(
    name: str, parts: Sequence[TaskResult], test: Callable[[TaskResult], ModelComparison | None]
) -> TableRow:
    figures = [part.figures.get(name) for part in parts]
    tests = [test(part) if figure else None for part, figure in zip(parts, figures, strict=True)]
    best = _best(name, figures, tests)
    return TableRow(
        name=name,
        goal=kind(name).goal,
        cells=[
            _cell(name, part.model, figure, found, best=number == best) if figure else None
            for number, (part, figure, found) in enumerate(zip(parts, figures, tests, strict=True))
        ],
    )


def _cell(
    name: str, model: str, figure: Figure, found: ModelComparison | None, *, best: bool
) -> Cell:
    return Cell(
        model=model,
        figure=figure,
        value=write(name, figure.value),
        interval=write_interval(name, figure.low, figure.high),
        verdict=_verdict(found),
        comparison=found,
        difference=write_difference(name, found.difference) if found else "",
        difference_interval=write_interval(name, found.low, found.high) if found else "",
        best=best,
    )


def _verdict(found: ModelComparison | None) -> ShownVerdict:
    if found is None:
        return ShownVerdict.UNCOMPARED
    return ShownVerdict[found.verdict.upper()] if found.verdict else ShownVerdict.SECONDARY


def _best(
    name: str, figures: Sequence[Figure | None], tests: Sequence[ModelComparison | None]
) -> int | None:
    """Return the index of the model that is shown to be the best, if any.

    That is the base, if every other model lost. Another model must have gained, and its interval
    must not overlap those of the rest, against which it is not tested.
    """
    larger_is_better = kind(name).larger_is_better
    values = {n: item for n, item in enumerate(figures) if item and item.value is not None}
    if larger_is_better is None or len(values) < 2 or 0 not in values:
        return None
    sign = 1 if larger_is_better else -1
    first = max(values, key=lambda n: sign * (values[n].value or 0.0))
    rest = [n for n in values if n not in (0, first)]
    verdicts = [_verdict(found) for found in tests]
    if first == 0:
        return 0 if all(verdicts[n] is ShownVerdict.LOST for n in values if n) else None
    apart = all(_disjoint(values[first], values[n]) for n in rest)
    return first if verdicts[first] is ShownVerdict.GAINED and apart else None


def _disjoint(one: Figure, other: Figure) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low > other.high or one.high < other.low
