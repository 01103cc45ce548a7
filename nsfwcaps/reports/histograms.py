"""Histograms of the cosines between items of pairs, before and after training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nsfwcaps.reports.axes import Axis, around
from nsfwcaps.reports.results import Cosines, ReportInput

NAME = "similarities"
"""Part of each such plot's name."""

_BINS = 40
_LEAST_SPAN = 0.1
_COLUMNS = 2
_PANEL_WIDTH, _PANEL_HEIGHT = 330, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 12, 12, 42, 26


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One kind of pair: outlines of the two histograms, and their means."""

    title: str
    x: int
    y: int
    axis: Axis
    floor: float
    before: str
    """SVG path, like `after`."""
    after: str
    mean_before: float
    mean_after: float


@dataclass(frozen=True, kw_only=True)
class HistogramPlot:
    """The histograms of one model on one data set."""

    name: str
    dataset: str
    model: str
    panels: Sequence[Panel]
    width: int
    height: int

    @property
    def description(self) -> str:
        """The means in words."""
        means = (
            f"{p.title} {p.mean_before:.3f} before, {p.mean_after:.3f} after" for p in self.panels
        )
        return f"Mean cosines. {'; '.join(means)}."


def plots(evaluation: ReportInput) -> list[HistogramPlot]:
    """Make one plot per data set and model other than the base."""
    found: list[HistogramPlot] = []
    for dataset, models in sorted(evaluation.cosines.items()):
        before = models.get(evaluation.base, {})
        others = [model for model in evaluation.models[1:] if model in models]
        found += [_plot(dataset, model, before, models[model]) for model in others]
    return [plot for plot in found if plot.panels]


def _plot(
    dataset: str, model: str, before: Mapping[str, Cosines], after: Mapping[str, Cosines]
) -> HistogramPlot:
    kinds = [name for name in before if name in after and before[name].size and after[name].size]
    pairs = {name: (before[name], after[name]) for name in kinds}
    axis = _axis([cosines for pair in pairs.values() for cosines in pair])
    return HistogramPlot(
        name=f"{dataset}-{NAME}-{model}",
        dataset=dataset,
        model=model,
        panels=[_panel(n, name, pair, axis) for n, (name, pair) in enumerate(pairs.items())],
        width=_COLUMNS * _PANEL_WIDTH,
        height=-(-len(kinds) // _COLUMNS) * _PANEL_HEIGHT,
    )


def _axis(cosines: Sequence[Cosines]) -> Axis:
    """Make one axis for all kinds, as their relative positions matter."""
    ends = [float(end) for item in cosines for end in (item.min(), item.max())] or [0.0]
    return around(
        ends, start=_LEFT, end=_PANEL_WIDTH - _RIGHT, least=_LEAST_SPAN, within=(-1.0, 1.0)
    )


def _panel(number: int, title: str, pair: tuple[Cosines, Cosines], axis: Axis) -> Panel:
    edges = np.linspace(axis.low, axis.high, _BINS + 1)
    shares = [np.histogram(item.clip(axis.low, axis.high), edges)[0] / item.size for item in pair]
    top = max(float(share.max()) for share in shares)
    up = Axis(low=0.0, high=top, start=_PANEL_HEIGHT - _BOTTOM, end=_TOP)
    before, after = (_outline(edges.tolist(), share.tolist(), axis, up) for share in shares)
    means = [float(item.mean(dtype=np.float64)) for item in pair]
    return Panel(
        title=title,
        x=number % _COLUMNS * _PANEL_WIDTH,
        y=number // _COLUMNS * _PANEL_HEIGHT,
        axis=axis,
        floor=up.start,
        before=before,
        after=after,
        mean_before=means[0],
        mean_after=means[1],
    )


def _outline(edges: Sequence[float], shares: Sequence[float], across: Axis, up: Axis) -> str:
    steps = [f"M{across.at(edges[0])},{up.start}"]
    for right, share in zip(edges[1:], shares, strict=True):
        steps.append(f"V{up.at(share)}H{across.at(right)}")
    return "".join(steps) + f"V{up.start}"
