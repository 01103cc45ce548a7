"""The trade-off between redirection and kept utility."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nsfwcaps.reports.axes import Axis, around
from nsfwcaps.reports.figures import write
from nsfwcaps.reports.results import Figure
from nsfwcaps.reports.tables import Table

NAME = "tradeoff"
"""Part of each such plot's name."""

WIDTH, HEIGHT = 460, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 18, 18, 50
_LINE = 15
_LONGEST = 24
_LETTER = 7.5
"""Letters of a name in the plot, and the width of one."""
_LEAST_SPAN = 0.1

_REDIRECTION = {"T*→V R@1": "T→V R@1", "V*→T R@1": "V→T R@1", "T*→T R@1": "T→V R@1"}
"""Redirection figure -> safe retrieval figure to use if there is no zero-shot task."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A model in the plot: its mark, its intervals, and the position of its name."""

    model: str
    x: float
    y: float
    x_range: tuple[float, float] | None
    y_range: tuple[float, float] | None
    label: str
    """The name, shortened in the middle if it is long."""
    label_x: float
    label_y: float
    label_left: bool
    """Whether the name is left of the mark, for lack of space on the right."""


@dataclass(frozen=True, kw_only=True)
class TradeoffPlot:
    """One trade-off plot, ready to draw."""

    name: str
    title: str
    description: str
    x_label: str
    y_label: str
    x_axis: Axis
    y_axis: Axis
    points: Sequence[Point]
    width: int = WIDTH
    height: int = HEIGHT


def plots(tables: Sequence[Table]) -> list[TradeoffPlot]:
    """Make one plot per data set and direction with the necessary figures."""
    compared = [table for table in tables if table.compared]
    classified = zero_shot_mean(compared)
    found = []
    for table in compared:
        if table.task != "retrieval":
            continue
        for redirection, safe in _REDIRECTION.items():
            kept, label = classified
            if not kept:
                kept, label = _of_models(table, safe), f"{safe}, safe retrieval"
            redirected = _of_models(table, redirection)
            models = [name for name in table.models if name in kept and name in redirected]
            if len(models) > 1:
                places = {name: (kept[name], redirected[name]) for name in models}
                found.append(_plot(table.dataset, redirection, label, places))
    return found


def zero_shot_mean(tables: Sequence[Table]) -> tuple[Mapping[str, Figure], str]:
    """Return the mean accuracy over data sets of each model that has all of them, and its label.

    The sets are independent, so the half widths combine as the root of the sum of squares.
    """
    each = [_of_models(table, "acc@1") for table in tables if table.task == "zeroshot"]
    each = [figures for figures in each if figures]
    if not each:
        return {}, ""
    models = [name for name in each[0] if all(name in figures for figures in each)]
    label = "zero-shot acc@1" + (f", mean of {len(each)} data sets" if len(each) > 1 else "")
    return {name: _mean([figures[name] for figures in each]) for name in models}, label


def _mean(figures: Sequence[Figure]) -> Figure:
    values = [item.value or 0.0 for item in figures]
    mean = sum(values) / len(values)

    def bound(bounds: Sequence[float | None], sign: int) -> float | None:
        ends = [end for end in bounds if end is not None]
        if len(ends) < len(values):
            return None
        halves = [end - value for end, value in zip(ends, values, strict=True)]
        return mean + sign * math.hypot(*halves) / len(values)

    low, high = [item.low for item in figures], [item.high for item in figures]
    return Figure(value=mean, low=bound(low, -1), high=bound(high, 1), n=None)


def _of_models(table: Table, name: str) -> dict[str, Figure]:
    cells = [cell for row in table.rows if row.name == name for cell in row.cells if cell]
    return {cell.model: cell.figure for cell in cells if cell.figure.value is not None}


def _plot(
    dataset: str, redirection: str, kept: str, places: Mapping[str, tuple[Figure, Figure]]
) -> TradeoffPlot:
    x_axis = _axis([x for x, _ in places.values()], _LEFT, WIDTH - _RIGHT)
    y_axis = _axis([y for _, y in places.values()], HEIGHT - _BOTTOM, _TOP)
    points = [_point(name, x, y, x_axis, y_axis) for name, (x, y) in places.items()]
    values = "; ".join(
        f"{name}: {write(redirection, y.value)} redirected, utility {write(redirection, x.value)}"
        for name, (x, y) in places.items()
    )
    return TradeoffPlot(
        name=f"{dataset}-{NAME}-{_for_files(redirection)}",
        title=f"{dataset}: {redirection} against {kept}",
        description=f"{values}.",
        x_label=f"utility: {kept}",
        y_label=f"redirected: {redirection}",
        x_axis=x_axis,
        y_axis=y_axis,
        points=_spread(points),
    )


def _axis(figures: Sequence[Figure], start: float, end: float) -> Axis:
    ends = [end for item in figures for end in (item.value, item.low, item.high) if end is not None]
    return around(ends, start=start, end=end, least=_LEAST_SPAN, within=(0.0, 1.0))


def _point(model: str, x: Figure, y: Figure, x_axis: Axis, y_axis: Axis) -> Point:
    across, up = x_axis.at(x.value or 0.0), y_axis.at(y.value or 0.0)
    label = _shortened(model)
    left = across + 10 + _LETTER * len(label) > WIDTH
    return Point(
        model=model,
        x=across,
        y=up,
        x_range=_range(x, x_axis),
        y_range=_range(y, y_axis),
        label=label,
        label_x=across + (-10 if left else 10),
        label_y=up - 8,
        label_left=left,
    )


def _range(figure: Figure, axis: Axis) -> tuple[float, float] | None:
    if figure.low is None or figure.high is None:
        return None
    return axis.at(figure.low), axis.at(figure.high)


def _spread(points: Sequence[Point]) -> list[Point]:
    """Move names towards the middle until none overlap."""
    middle = (HEIGHT - _BOTTOM + _TOP) / 2
    upper = sorted((item for item in points if item.y < middle), key=lambda item: item.y)
    lower = sorted((item for item in points if item.y >= middle), key=lambda item: -item.y)
    return [*_apart(upper, _LINE), *_apart(lower, -_LINE)]


def _apart(points: Sequence[Point], step: int) -> list[Point]:
    placed: list[Point] = []
    for point in points:
        y = point.label_y
        for other in placed:
            one, two = _across(point), _across(other)
            is_beside = one[0] < two[1] and two[0] < one[1]
            if is_beside and abs(y - other.label_y) < _LINE:
                y = other.label_y + step
        placed.append(replace(point, label_y=y))
    return placed


def _across(point: Point) -> tuple[float, float]:
    """Return where the name of a point begins and ends."""
    width = _LETTER * len(point.label)
    start = point.label_x - (width if point.label_left else 0)
    return start, start + width


def _shortened(name: str) -> str:
    """Cut a long name in the middle, as models of one kind differ at the end.

    >>> _shortened("safer-clip-nearest-rank16-strength-one-half")
    'safer-clip-n…th-one-half'
    """
    if len(name) <= _LONGEST:
        return name
    half = _LONGEST // 2
    return f"{name[:half]}…{name[1 - half :]}"


def _for_files(figure: str) -> str:
    """Write the direction of a figure in portable file name characters: T*→V to unsafe-T-to-V."""
    return (
        figure.split()[0].replace("T*", "unsafe-T").replace("V*", "unsafe-V").replace("→", "-to-")
    )
