"""Structure: how training changed a model's embedding space and weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsfwcaps.evaluation.outcome import TaskOutcome, Values
from nsfwcaps.metrics.neighbourhoods import neighbourhood_overlaps
from nsfwcaps.metrics.similarities import Vectors
from nsfwcaps.metrics.structure import (
    drift,
    layer_deviations,
    spread_ratios,
    weight_deviation,
)
from nsfwcaps.metrics.tiles import Task, silent

Weights = Mapping[str, Any]
"""A state dict."""


def score(
    after: Mapping[str, Vectors],
    before: Mapping[str, Vectors],
    *,
    weights_after: Mapping[str, Weights] | None = None,
    weights_before: Mapping[str, Weights] | None = None,
    k: int = 10,
    device: str = "cpu",
    task: Task = silent,
) -> TaskOutcome:
    """Compare unit rows `[n, d]` of each kind ("safe text", …), and state dicts of each tower.

    Values per row are "spread ratio KIND", "overlap KIND" and "drift KIND". The figure "weight
    deviation TOWER" has no sample behind it; the facts list every layer's deviation. The keys of
    the weights ("text", "image") name towers; their parameter names must be equal before and
    after. A kind with at most k rows has no overlap. Neighbours are found on `cpu` or `cuda`.

    Raises:
        ValueError: kinds, rows or weights differ before and after.
        DeviceError: the vectors of a kind do not fit in the device's memory.
    """
    weights_after, weights_before = weights_after or {}, weights_before or {}
    _same_names("kinds", after, before)
    _same_names("towers", weights_after, weights_before)
    values: dict[str, Values] = {}
    figures: dict[str, float] = {}
    layers: dict[str, dict[str, float]] = {}
    for kind, rows in after.items():
        values[f"drift {kind}"] = drift(rows, before[kind])
        values[f"spread ratio {kind}"] = spread_ratios(rows, before[kind])
        if len(rows) > k:
            values[f"overlap {kind}"] = neighbourhood_overlaps(
                rows, before[kind], k, device=device, task=task
            )
    for tower, weights in weights_after.items():
        _same_names(f"weights of {tower}", weights, weights_before[tower])
        figures[f"weight deviation {tower}"] = weight_deviation(weights, weights_before[tower])
        layers[tower] = layer_deviations(weights, weights_before[tower])
    unbounded = frozenset(name for name in values if not name.startswith("overlap"))
    facts = {
        "rows": {kind: len(rows) for kind, rows in after.items()},
        "neighbours": k,
        "without_overlap": [kind for kind, rows in after.items() if len(rows) <= k],
        "weight_deviation_by_layer": layers,
    }
    return TaskOutcome(
        task="structure", values=values, figures=figures, facts=facts, unbounded=unbounded
    )


def _same_names(what: str, after: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    apart = sorted(after.keys() ^ before.keys())
    if apart:
        raise ValueError(
            f"structure: {what} must be the same before and after; only on one side: {apart[:5]}"
        )
