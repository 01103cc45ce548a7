"""Preservation of a model's structure: spread, positions, weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.similarities import Vectors

_COLLAPSED = 1e-6
"""Spread of rows that are equal but for rounding in single precision."""


def spread_ratio(after: Vectors, before: Vectors) -> float:
    """Return the spread of unit rows `[n, d]` relative to before; below 1 they have contracted.

    NaN if all rows before are equal, up to rounding. Spread is 1 minus the squared length of the
    mean row, which is half the mean squared distance between two rows (SAGE, arXiv 2607.00402,
    names the ratio; the formula is inferred).
    """
    was = _spread(before)
    return _spread(after) / was if was > _COLLAPSED else float("nan")


def spread_ratios(after: Vectors, before: Vectors) -> npt.NDArray[np.float64]:
    """Return per-row values `[n]` whose mean is the spread ratio.

    They are linearised (delta method): the mean of these values varies as the ratio would over
    samples of rows. NaN if all rows before are equal.
    """
    ratio = spread_ratio(after, before)
    one, other = _influence(after), _influence(before)
    return np.asarray(ratio + (one - ratio * other) / _spread(before))


def drift(after: Vectors, before: Vectors) -> npt.NDArray[np.float64]:
    """Return how far each unit row `[n, d]` has moved: 1 − cosine with its old value, `[n]`.

    Raises:
        ValueError: the shapes differ.
    """
    if after.shape != before.shape:
        raise ValueError(f"shapes must be equal, got {after.shape} after and {before.shape} before")
    return np.asarray(1 - np.einsum("nd,nd->n", after, before, dtype=np.float64))


def weight_deviation(after: Mapping[str, Any], before: Mapping[str, Any]) -> float:
    """Return the relative distance of two state dicts: |after - before| / |before|.

    Tensors are compared by name; both dicts must have the same names.
    """
    return _deviation(after, before, before)


def layer_deviations(after: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, float]:
    """Return the relative distance per layer, in the order of the state dict.

    A layer is the name up to its first number ("transformer.resblocks.3"); without a number, the
    module that holds the tensor; without a module, the tensor itself.
    """
    layers: dict[str, list[str]] = {}
    for name in before:
        layers.setdefault(_layer(name), []).append(name)
    return {layer: _deviation(after, before, names) for layer, names in layers.items()}


def _deviation(after: Mapping[str, Any], before: Mapping[str, Any], names: Iterable[str]) -> float:
    moved = length = 0.0
    for name in names:
        was = before[name].double()
        moved += float((after[name].double() - was).pow(2).sum())
        length += float(was.pow(2).sum())
    return float(np.sqrt(moved / length)) if length else float("nan")


def _layer(name: str) -> str:
    numbered = re.match(r".*?\.\d+(?=\.)", name)
    return numbered[0] if numbered else name.rpartition(".")[0] or name


def _spread(rows: Vectors) -> float:
    return float(1 - np.square(rows.mean(axis=0, dtype=np.float64)).sum())


def _influence(rows: Vectors) -> npt.NDArray[np.float64]:
    """Return each row's first-order contribution `[n]` to the spread; their mean is zero."""
    mean = rows.mean(axis=0, dtype=np.float64)
    along = rows @ mean
    return np.asarray(-2 * (along - along.mean()))
