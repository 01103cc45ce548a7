"""Sums behind the agreement coefficients, for the data and for many bootstrap samples at once.

Every coefficient is a function of sums over items. A sample of items is thus a row of weights, and
all samples are one matrix product, which no library offers. Items with equal ratings add the same
to the sums, so each kind of item (a distinct row of ratings) is counted once: drawing n items with
replacement is exactly a multinomial draw of how often each kind comes.
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
    """Contribution of each of k kinds of items to the sums.

    Those with one rating only add to the prevalence.
    """

    items: npt.NDArray[np.int64]
    """`[k]` Number of items of each kind."""
    pairable: npt.NDArray[np.bool_]
    agreed: Floats
    """`[k]` Share of the pairs of ratings that are equal."""
    shares: Any
    """A sparse matrix `[k, c * c]`, as an item has few ratings."""
    coincidences: Any
    prevalence: Floats
    confusions: Any
    """A sparse matrix `[k, p * c * c]`, as few pairs rate the same item."""

    def sums(self, weights: Floats) -> Sums:
        """Sum with weights `[b, k]`, the number of times each sample has each kind of item."""
        square = (len(weights), -1, *[self.prevalence.shape[1]] * 2)
        shares, coincidences, confusions = (
            np.asarray((part.T @ weights.T).T).reshape(square)
            for part in (self.shares, self.coincidences, self.confusions)
        )
        return Sums(
            shares=ratio(shares[:, 0], (weights @ self.pairable)[:, None, None]),
            coincidences=coincidences[:, 0],
            prevalence=ratio(weights @ self.prevalence, weights.sum(axis=1, keepdims=True)),
            confusions=confusions,
        )


def tables(ratings: Floats, *, categories: int, shared: int) -> Tables:
    """Count ratings `[n, raters]` (NaN: none), at least one per item.

    Pairs of raters are those with at least `shared` common items.
    """
    kinds, items = _kinds(ratings)
    counts = (kinds[:, :, None] == np.arange(categories)).sum(axis=1, dtype=np.float64)  # [k, c]
    per_item = counts.sum(axis=1)  # [k]
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(categories)
    shares = pairs / np.maximum(per_item * (per_item - 1), 1)[:, None, None]  # [k, c, c]
    return Tables(
        items=items,
        pairable=per_item > 1,
        agreed=np.trace(shares, axis1=1, axis2=2),
        shares=_sparse(shares),
        coincidences=_sparse(shares * per_item[:, None, None]),
        prevalence=counts / per_item[:, None],
        confusions=_confusions(kinds, items, categories, shared),
    )


def samples(
    items: npt.NDArray[np.int64], *, resamples: int, rows: int, seed: int
) -> Iterator[Floats]:
    """Yield weights `[b, k]` of bootstrap samples of the items, `rows` samples at a time."""
    random = np.random.default_rng(seed)
    number = int(items.sum())
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        yield random.multinomial(number, items / number, size=size).astype(np.float64)


def intervals(
    counted: Tables, of_sums: Callable[[Sums], dict[Key, Floats]], *, resamples: int, seed: int
) -> dict[Key, tuple[float, float]]:
    """Compute 95 % percentile intervals of functions of the sums, all from one set of samples."""
    kinds, cells = counted.confusions.shape
    rows = max(1, _BLOCK_VALUES // max(kinds, cells))
    blocks = [
        of_sums(counted.sums(weights))
        for weights in samples(counted.items, resamples=resamples, rows=rows, seed=seed)
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


def _kinds(ratings: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the distinct rows of ratings `[k, raters]`, and how many items have each."""
    if not ratings.size:
        return ratings, np.ones(len(ratings), dtype=np.int64)
    rows, items = np.unique(np.nan_to_num(ratings, nan=-1), axis=0, return_counts=True)
    return np.where(rows < 0, np.nan, rows), items


def _sparse(values: Floats) -> Any:
    from scipy import sparse

    return sparse.csr_array(values.reshape(len(values), values.shape[1] ** 2))


def _confusions(kinds: Floats, items: npt.NDArray[np.int64], categories: int, shared: int) -> Any:
    from scipy import sparse

    rated = ~np.isnan(kinds)  # [k, raters]
    both = np.triu((rated * items[:, None]).T.astype(np.float64) @ rated, k=1)  # [raters, raters]
    rows, columns, cells = [], [], categories**2
    pairs = np.argwhere(both >= max(1, shared))
    for pair, (one, other) in enumerate(pairs):
        shares = np.flatnonzero(rated[:, one] & rated[:, other])
        cell = kinds[shares, one] * categories + kinds[shares, other]
        rows.append(shares)
        columns.append(pair * cells + cell.astype(np.int64))
    where = [np.concatenate([np.zeros(0, dtype=np.int64), *part]) for part in (rows, columns)]
    shape = (len(kinds), len(pairs) * cells)
    return sparse.csr_array((np.ones(len(where[0])), (where[0], where[1])), shape=shape)
