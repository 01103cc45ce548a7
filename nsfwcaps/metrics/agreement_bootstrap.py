"""Sums behind the agreement coefficients, for the data and for many bootstrap samples at once.

Every coefficient is a function of sums over items. A sample of items is thus a row of weights, and
all samples are one matrix product, which no library offers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

Key = TypeVar("Key")

_BLOCK_VALUES = 2**22

_UNDEFINED = 0.05
"""Share of undefined samples above which there is no interval: they could be its ends."""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Sums over the items of b samples, for c categories and p pairs of raters."""

    shares: Floats
    """`[b, c, c]` Mean over items of the share of rating pairs with these two categories."""
    coincidences: Floats
    """`[b, c, c]` Sum of these shares weighted by the item's number of ratings (Krippendorff)."""
    prevalence: Floats
    """`[b, c]` Mean over items of the share of ratings with this category."""
    confusions: Floats
    """`[b, p, c, c]` Number of items by the category from each rater of a pair."""


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Contribution of each of n items to the sums; unpairable ones only add to the prevalence."""

    pairable: npt.NDArray[np.bool_]
    shares: Floats
    coincidences: Floats
    prevalence: Floats
    confusions: Any
    """A sparse matrix `[n, p * c * c]`, as few pairs rate the same item."""

    def sums(self, weights: Floats) -> Sums:
        """Sum with weights `[b, n]`, the number of times each sample has each item."""
        samples, categories = len(weights), self.prevalence.shape[1]
        confusions = np.asarray(self.confusions.T @ weights.T).T
        pairs = confusions.shape[1] // categories**2
        return Sums(
            shares=ratio(
                np.tensordot(weights, self.shares, axes=1), (weights @ self.pairable)[:, None, None]
            ),
            coincidences=np.tensordot(weights, self.coincidences, axes=1),
            prevalence=ratio(weights @ self.prevalence, weights.sum(axis=1, keepdims=True)),
            confusions=confusions.reshape(samples, pairs, categories, categories),
        )


def tables(ratings: Floats, *, categories: int, shared: int) -> Tables:
    """Count ratings `[n, raters]` (NaN: none), at least one per item.

    Pairs of raters are those with at least `shared` common items.
    """
    counts = (ratings[:, :, None] == np.arange(categories)).sum(axis=1, dtype=np.float64)  # [n, c]
    per_item = counts.sum(axis=1)  # [n]
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(categories)
    shares = pairs / np.maximum(per_item * (per_item - 1), 1)[:, None, None]  # [n, c, c]
    return Tables(
        pairable=per_item > 1,
        shares=shares,
        coincidences=shares * per_item[:, None, None],
        prevalence=counts / per_item[:, None],
        confusions=_confusions(ratings, categories, shared),
    )


def samples(items: int, *, resamples: int, rows: int, seed: int) -> Iterator[Floats]:
    """Yield weights `[b, items]` of bootstrap samples of the items, `rows` samples at a time."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = random.integers(0, items, size=(size, items))
        drawn += np.arange(size)[:, None] * items
        yield np.bincount(drawn.ravel(), minlength=size * items).reshape(size, items).astype(float)


def intervals(
    counted: Tables, of_sums: Callable[[Sums], dict[Key, Floats]], *, resamples: int, seed: int
) -> dict[Key, tuple[float, float]]:
    """Compute 95 % percentile intervals of functions of the sums, all from one set of samples."""
    items, cells = counted.confusions.shape
    rows = max(1, _BLOCK_VALUES // max(items, cells))
    blocks = [
        of_sums(counted.sums(weights))
        for weights in samples(items, resamples=resamples, rows=rows, seed=seed)
    ]
    return {key: _ends(np.concatenate([block[key] for block in blocks])) for key in blocks[0]}


def ratio(over: Floats, under: Floats) -> Floats:
    """Divide without warnings; division by zero gives NaN."""
    out: Floats = np.full(np.broadcast_shapes(over.shape, under.shape), np.nan)
    return np.divide(over, under, out=out, where=under != 0)


def _ends(values: Floats) -> tuple[float, float]:
    defined = values[np.isfinite(values)]
    if len(values) - len(defined) > _UNDEFINED * len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [0.025, 0.975])
    if low == high:  # nothing to resample is no certainty
        return float("nan"), float("nan")
    return float(low), float(high)


def _confusions(ratings: Floats, categories: int, shared: int) -> Any:
    from scipy import sparse

    rated = ~np.isnan(ratings)  # [n, raters]
    both = np.triu(rated.T.astype(np.float64) @ rated, k=1)  # [raters, raters]
    rows, columns, cells = [], [], categories**2
    pairs = np.argwhere(both >= max(1, shared))
    for pair, (one, other) in enumerate(pairs):
        items = np.flatnonzero(rated[:, one] & rated[:, other])
        cell = ratings[items, one] * categories + ratings[items, other]
        rows.append(items)
        columns.append(pair * cells + cell.astype(np.int64))
    where = [np.concatenate([np.zeros(0, dtype=np.int64), *part]) for part in (rows, columns)]
    shape = (len(ratings), len(pairs) * cells)
    return sparse.csr_array((np.ones(len(where[0])), (where[0], where[1])), shape=shape)
