"""How certain a mean over queries is, and whether two models differ on the same queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

SAMPLES = 2000
FLIPS = 20_000
"""Random signs behind a p: the least that it can be is 1 in so many, and Holm multiplies it."""

_BLOCK_VALUES = 2**22
_FEW = 64
"""Distinct values up to which samples are drawn by how often each value occurs in them."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Where the mean lies, at the level that was asked for."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Mean of b less mean of a on the same queries, its interval, and how likely by chance."""

    difference: float
    low: float
    high: float
    p: float


def interval(values: Values, *, seed: int, samples: int = SAMPLES, level: float = 0.95) -> Interval:
    """Percentile bootstrap of the mean of values `[q]` (Efron and Tibshirani 1993, chapter 13).

    Queries are drawn anew with replacement. No values have no interval: both ends are no number.
    """
    if not len(values):
        return Interval(low=float("nan"), high=float("nan"))
    means = _bootstrap_means(np.asarray(values, dtype=np.float64), samples, seed)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(low=float(low), high=float(high))


def paired(
    a: Values, b: Values, *, seed: int, samples: int = SAMPLES, level: float = 0.95
) -> Comparison:
    """Compare b to a, value by value `[q]`: positive where b's mean is larger.

    The interval is the bootstrap's over queries. p is two-sided: exact by McNemar's test where all
    values are 0 or 1, else from random flips of the signs of the differences (`FLIPS` of them, the
    data's own signs counted in), exact under the null that the two models are exchangeable. Where
    a value is no number, or there is none, so is everything.

    Raises:
        ValueError: not the same number of values.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} values and {len(b)}; pairs need as many of both")
    differences = np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64)
    if not len(differences) or not np.isfinite(differences).all():
        nan = float("nan")
        return Comparison(difference=nan, low=nan, high=nan, p=nan)
    around = interval(differences, seed=seed, samples=samples, level=level)
    yes_or_no = np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all()
    return Comparison(
        difference=float(differences.mean()),
        low=around.low,
        high=around.high,
        p=_mcnemar(differences) if yes_or_no else _sign_flips(differences, seed),
    )


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979) of the p of several comparisons, in their order.

    Below .05 they keep the chance of a single false one below .05. What is no number stays so, and
    is not counted.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=np.float64)
    out = np.full(len(given), np.nan)
    order = np.argsort(given)[: np.count_nonzero(~np.isnan(given))]  # no numbers come last
    times = np.arange(len(order), 0, -1)
    out[order] = np.minimum(1, np.maximum.accumulate(given[order] * times))
    return [float(value) for value in out]


def _bootstrap_means(values: Values, samples: int, seed: int) -> Values:
    """Mean `[samples]` of each sample of the values."""
    random = np.random.default_rng(seed)
    kinds, counts = np.unique(values, return_counts=True)
    if len(kinds) <= _FEW:
        drawn = random.multinomial(len(values), counts / len(values), size=samples)
        return np.asarray(drawn @ kinds / len(values))
    means = np.empty(samples)
    for start, stop in _blocks(samples, len(values)):
        drawn = random.integers(0, len(values), size=(stop - start, len(values)), dtype=np.int32)
        means[start:stop] = values[drawn].mean(axis=1)
    return means


def _mcnemar(differences: Values) -> float:
    """Exact p that as few or fewer of the queries that differ go the rarer way."""
    from scipy.stats import binomtest

    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def _sign_flips(differences: Values, seed: int) -> float:
    """Share of random signs, the data's own among them, whose sum is as far from 0 or farther."""
    random = np.random.default_rng(seed)
    sizes = np.abs(differences[differences != 0])
    if not len(sizes):
        return 1.0
    # Sums that are equal but for the order of summing are equal.
    bar = abs(float(differences.sum())) - 1e-9 * float(sizes.sum())
    as_far = 1
    for start, stop in _blocks(FLIPS - 1, len(sizes)):
        bits = random.integers(0, 256, size=(stop - start, -(-len(sizes) // 8)), dtype=np.uint8)
        minus = np.unpackbits(bits, axis=1, count=len(sizes))
        sums = sizes.sum() - 2 * (minus.astype(np.float64) @ sizes)
        as_far += int((np.abs(sums) >= bar).sum())
    return as_far / FLIPS


def _blocks(count: int, width: int) -> list[tuple[int, int]]:
    """Ranges of rows that fit in memory."""
    rows = max(1, _BLOCK_VALUES // width)
    return [(start, min(start + rows, count)) for start in range(0, count, rows)]
