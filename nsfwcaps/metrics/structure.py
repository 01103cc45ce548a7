"""How much of a model's structure is left: spread, neighbourhoods, places, weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.similarities import Vectors, similarity_blocks


def spread_ratio(after: Vectors, before: Vectors) -> float:
    """Spread of unit rows `[n, d]` as a share of what it was: below 1 they have drawn together.

    Spread is one minus the squared length of the mean row, which is half the mean squared distance
    of two rows (SAGE, arXiv 2607.00402, names the ratio; the form is inferred).
    """
    return _spread(after) / _spread(before)


def spread_ratios(after: Vectors, before: Vectors) -> npt.NDArray[np.float64]:
    """The ratio as a value of each row `[n]`, whose mean it is: what the row adds to it.

    Linearised (the delta method): means of values that are drawn anew are spread as the ratio of
    rows that are drawn anew.
    """
    ratio = spread_ratio(after, before)
    one, other = _influence(after), _influence(before)
    return np.asarray(ratio + (one - ratio * other) / _spread(before))


def neighbourhood_overlaps(after: Vectors, before: Vectors, k: int = 10) -> npt.NDArray[np.float64]:
    """Jaccard index `[n]` of the k nearest other rows of each unit row `[n, d]`, after and before.

    Raises `ValueError` where there are not more than k rows, or not the same number of them.
    """
    if len(after) != len(before) or len(after) <= k:
        raise ValueError(f"{len(after)} rows after and {len(before)} before; both must exceed {k}")
    shared = np.empty(len(after), dtype=np.float64)
    both = zip(_nearest_rows(after, k), _nearest_rows(before, k), strict=True)
    for (block, one), (_, other) in both:
        shared[block] = [len(np.intersect1d(*pair)) for pair in zip(one, other, strict=True)]
    return np.divide(shared, 2 * k - shared)


def drift(after: Vectors, before: Vectors) -> npt.NDArray[np.float64]:
    """How far each unit row `[n, d]` has gone: 1 − cosine with where it was, `[n]`.

    Raises `ValueError` where the shapes differ.
    """
    if after.shape != before.shape:
        raise ValueError(f"{after.shape} after and {before.shape} before; they must be the same")
    return np.asarray(1 - np.einsum("nd,nd->n", after, before, dtype=np.float64))


def weight_deviation(after: Mapping[str, Any], before: Mapping[str, Any]) -> float:
    """Distance of two state dicts over the length of the first one's origin: |a - b| / |b|.

    Tensors are compared by name; both must have the same.
    """
    return _deviation(after, before, before)


def layer_deviations(after: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, float]:
    """The same for each layer, in the order of the state dict.

    A layer is a name up to its first number, "transformer.resblocks.3", or the module that holds a
    tensor where no number is in its name, or the tensor of no module.
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
    """What each row `[n]` adds to the spread, to first order; the mean is zero."""
    mean = rows.mean(axis=0, dtype=np.float64)
    along = rows @ mean
    return np.asarray(-2 * (along - along.mean()))


def _nearest_rows(vectors: Vectors, k: int) -> Iterator[tuple[slice, npt.NDArray[np.int64]]]:
    """Yield which rows, and the k nearest others `[b, k]` of each."""
    for block, sims in similarity_blocks(vectors, vectors):
        sims[np.arange(len(sims)), np.arange(block.start, block.stop)] = -np.inf
        # A copy, so that the rest of the order can go.
        yield block, np.argpartition(sims, -k, axis=1)[:, -k:].copy()
