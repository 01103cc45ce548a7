"""How much of a model's structure is left: spread, neighbourhoods, weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

_BLOCK = 1024


def spread_ratio(after: Vectors, before: Vectors) -> float:
    """Spread of unit rows `[n, d]` as a share of what it was: below 1 they have drawn together.

    Spread is one minus the squared length of the mean row, which is half the mean squared distance
    of two rows (SAGE, arXiv 2607.00402, names the ratio; the form is inferred).
    """
    return _spread(after) / _spread(before)


def neighbourhood_overlap(after: Vectors, before: Vectors, k: int = 10) -> float:
    """Mean Jaccard index of the k nearest other rows of each unit row `[n, d]`, after and before.

    Raises `ValueError` where there are not more than k rows, or not the same number of them.
    """
    if len(after) != len(before) or len(after) <= k:
        raise ValueError(f"{len(after)} rows after and {len(before)} before; both must exceed {k}")
    shared = np.empty(len(after))
    for start in range(0, len(after), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(after)))
        one, other = (_nearest(vectors, rows, k) for vectors in (after, before))
        shared[rows] = [len(np.intersect1d(*pair)) for pair in zip(one, other, strict=True)]
    return float((shared / (2 * k - shared)).mean())


def weight_deviation(after: Mapping[str, Any], before: Mapping[str, Any]) -> float:
    """Distance of two state dicts over the length of the first one's origin: |a - b| / |b|.

    Tensors are compared by name; both must have the same.
    """
    moved = sum(float((after[name] - tensor).pow(2).sum()) for name, tensor in before.items())
    length = sum(float(tensor.pow(2).sum()) for tensor in before.values())
    return float(np.sqrt(moved / length))


def _spread(rows: Vectors) -> float:
    return float(1 - np.square(rows.mean(axis=0, dtype=np.float64)).sum())


def _nearest(vectors: Vectors, rows: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.int64]:
    sims = vectors[rows] @ vectors.T  # [b, n]
    sims[np.arange(len(rows)), rows] = -np.inf
    nearest: npt.NDArray[np.int64] = np.argpartition(-sims, k - 1, axis=1)[:, :k]
    return nearest
