"""Paired comparisons of two models on the same queries."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nsfwcaps.metrics.intervals import LEVEL, Interval, check_bounded, skewed_mean
from nsfwcaps.metrics.paired_tests import FLIPS, mcnemar, sign_flips
from nsfwcaps.metrics.shares import ClusteredShare, clustered_share, draws_of
from nsfwcaps.metrics.units import Units, Values, count_units, unit_sums


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Mean of b minus mean of a on the same queries, its interval, and the p-value."""

    difference: float
    low: float
    high: float
    p: float


def paired(
    a: Values,
    b: Values,
    *,
    seed: int,
    units: Units | None = None,
    bounded: bool = True,
    flips: int = FLIPS,
    level: float = LEVEL,
) -> Comparison:
    """Compare b with a, pairwise over `[q]` values; positive if b's mean is larger.

    Shares have Newcombe's interval (`newcombe`), other values that of a skewed mean, from −1 to 1
    if both means are bounded. p is
    two-sided: McNemar's mid-p for hits and misses without shared units, otherwise from random sign
    flips of the differences, by unit. Interval and p may still disagree, as the p-value supposes
    that there is no difference and the interval does not. Without values, or with any NaN or
    infinity, all results are NaN.

    Args:
        a: values of one model.
        b: values of the other model.
        seed: of the sign flips.
        units: the resampling unit `[q]` of each query, if queries vary together.
        bounded: whether both means are from 0 to 1 whatever the sample (`interval`).
        flips: number of random sign flips.
        level: of confidence.

    Raises:
        ValueError: a, b and units differ in length, or a bounded mean is outside of 0 and 1.
    """
    if len(a) != len(b):
        raise ValueError(f"paired test needs equal lengths, got {len(a)} and {len(b)}")
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    differences = b - a
    if not len(differences) or not np.isfinite(differences).all():
        nan = float("nan")
        return Comparison(difference=nan, low=nan, high=nan, p=nan)
    sums = unit_sums(differences, units)
    draws = draws_of(a, b) if bounded else None
    if draws is None:
        if bounded:
            check_bounded(a)
            check_bounded(b)
        most = 1.0 if bounded else math.inf
        around = skewed_mean(sums, low=-most, high=most, level=level)
    else:
        around = newcombe(
            clustered_share(a, units, draws=draws, level=level),
            clustered_share(b, units, draws=draws, level=level),
        )
    if draws == 1 and count_units(len(a), units) == len(a):
        p = mcnemar(int((differences > 0).sum()), int((differences < 0).sum()))
    else:
        p = sign_flips(sums.sums, seed=seed, flips=flips)
    difference = float(differences.mean())
    return Comparison(difference=difference, low=around.low, high=around.high, p=p)


def newcombe(a: ClusteredShare, b: ClusteredShare) -> Interval:
    """Compute the interval of share b minus share a of the same units.

    For independent hits it is method 10 of Newcombe (Statistics in Medicine 17, 1998, page 2635):
    the intervals of both shares, combined with their correlation. For clusters these are the
    intervals with an effective sample size, and the correlation is between units (Zou and Donner,
    Statistics in Medicine 27, 2008). If no query differs, it still has a width.
    """
    one, other = a.sums.mean, b.sums.mean
    below, above = other - b.low, b.high - other
    correlation = _correlation(a, b)
    difference = other - one
    return Interval(
        low=max(-1.0, difference - _side(below, a.high - one, correlation)),
        high=min(1.0, difference + _side(above, one - a.low, correlation)),
    )


def _side(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * correlation * one * other + other**2))


def _correlation(a: ClusteredShare, b: ClusteredShare) -> float:
    """Return the correlation between units, less a continuity correction if it is positive."""
    one, other = a.sums.residuals, b.sums.residuals
    lengths = math.sqrt(float(one @ one) * float(other @ other))
    spreads = math.sqrt(math.prod(s.sums.mean * (1 - s.sums.mean) for s in (a, b)))
    if lengths <= 1e-15 or not spreads:
        return 0.0
    found = float(one @ other) / lengths
    correction = 1 / (2 * math.sqrt(a.size * b.size) * spreads)
    return max(0.0, found - correction) if found > 0 else found
