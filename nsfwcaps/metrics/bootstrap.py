"""Intervals of means over queries, and paired tests of two models on the same queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

SAMPLES = 2000
FLIPS = 20_000
"""Random sign flips per test: p is at least 1/FLIPS, and Holm's adjustment multiplies it."""

_BLOCK_VALUES = 2**22
_FEW = 64
"""Up to this many distinct values, samples are drawn as counts of each value."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A confidence interval of a mean."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Mean of b minus mean of a on the same queries, its interval, and the p-value."""

    difference: float
    low: float
    high: float
    p: float


def interval(values: Values, *, seed: int, samples: int = SAMPLES, level: float = 0.95) -> Interval:
    """Compute a percentile bootstrap interval of the mean of `[q]` values.

    Queries are resampled with replacement (Efron and Tibshirani 1993, chapter 13). Without values
    both ends are NaN.
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
    """Compare b with a, pairwise over `[q]` values; positive if b's mean is larger.

    The interval is the bootstrap's. p is two-sided. If all values are 0 or 1, it comes from
    McNemar's exact test. Otherwise it comes from `FLIPS` random sign flips of the differences,
    including the observed signs: exact under the null hypothesis that the models are exchangeable.
    Without values, or with any NaN or infinity, all results are NaN.

    Raises:
        ValueError: a and b differ in length.
    """
    if len(a) != len(b):
        raise ValueError(f"paired test needs equal lengths, got {len(a)} and {len(b)}")
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
    """Apply Holm's step-down adjustment (1979) to the p-values of several comparisons.

    At a level of .05 it keeps the chance of any false positive below .05. NaNs stay NaN and do not
    count as comparisons.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=np.float64)
    out = np.full(len(given), np.nan)
    order = np.argsort(given)[: np.count_nonzero(~np.isnan(given))]  # NaNs sort last
    times = np.arange(len(order), 0, -1)
    out[order] = np.minimum(1, np.maximum.accumulate(given[order] * times))
    return [float(value) for value in out]


def _bootstrap_means(values: Values, samples: int, seed: int) -> Values:
    """Return the mean `[samples]` of each bootstrap sample."""
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
    """Return the exact two-sided p-value of McNemar's test."""
    from scipy.stats import binomtest

    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def _sign_flips(differences: Values, seed: int) -> float:
    """Return the share of sign flips, the observed one included, with at least as large a sum."""
    random = np.random.default_rng(seed)
    sizes = np.abs(differences[differences != 0])
    if not len(sizes):
        return 1.0
    # Sums that differ only by the order of summation count as equal.
    bar = abs(float(differences.sum())) - 1e-9 * float(sizes.sum())
    as_far = 1
    for start, stop in _blocks(FLIPS - 1, len(sizes)):
        bits = random.integers(0, 256, size=(stop - start, -(-len(sizes) // 8)), dtype=np.uint8)
        minus = np.unpackbits(bits, axis=1, count=len(sizes))
        sums = sizes.sum() - 2 * (minus.astype(np.float64) @ sizes)
        as_far += int((np.abs(sums) >= bar).sum())
    return as_far / FLIPS


def _blocks(count: int, width: int) -> list[tuple[int, int]]:
    """Split rows into ranges that fit in memory."""
    rows = max(1, _BLOCK_VALUES // width)
    return [(start, min(start + rows, count)) for start in range(0, count, rows)]
