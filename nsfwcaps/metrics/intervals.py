"""Confidence intervals of means over queries."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nsfwcaps.metrics.shares import clustered_share, draws_of
from nsfwcaps.metrics.units import Units, UnitSums, Values, unit_sums

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A confidence interval of a mean."""

    low: float
    high: float


def interval(
    values: Values, *, units: Units | None = None, bounded: bool = True, level: float = LEVEL
) -> Interval:
    """Compute an interval of the mean of `[q]` values.

    Shares, such as hits and misses, have Wilson's interval (`clustered_share`), which has a width
    for 0 of n too. Other values have the t interval, corrected for skewness (`skewed_mean`), and
    not below 0 if no value is. No interval needs random numbers. Without values, or with any NaN or
    infinity, both ends are NaN.

    Args:
        values: one per query.
        units: the resampling unit `[q]` of each query, if queries vary together.
        bounded: whether no query can be outside of 0 and 1 if none is; False for a ratio or a
            distance, which is no share even if it is 0 or 1 for every query.
        level: of confidence.

    Raises:
        ValueError: values and units differ in length.
    """
    values = np.asarray(values, dtype=np.float64)
    if not len(values) or not np.isfinite(values).all():
        return Interval(low=float("nan"), high=float("nan"))
    if bounded and (draws := draws_of(values)) is not None:
        share = clustered_share(values, units, draws=draws, level=level)
        return Interval(low=share.low, high=share.high)
    found = skewed_mean(unit_sums(values, units), level=level)
    if values.min() < 0:
        return found
    # NaN comes first, and so stays NaN.
    high = min(found.high, 1.0) if bounded and values.max() <= 1 else found.high
    return Interval(low=max(found.low, 0.0), high=high)


def skewed_mean(sums: UnitSums, *, level: float = LEVEL) -> Interval:
    """Compute the interval of a mean of values of any kind, from sums by unit.

    The t statistic is transformed by Hall's monotone cubic, which takes out its skewness (Journal
    of the Royal Statistical Society B 54, 1992), as bootstrap-t does by resampling. Unequal units
    enter by their first-order contributions. NaN for one unit; no width if all values are equal.
    """
    from scipy.stats import skew, t

    count = len(sums.sums)
    if count < 2:
        return Interval(low=float("nan"), high=float("nan"))
    mean, error, residuals = sums.mean, math.sqrt(sums.variance), sums.residuals
    quantile = float(t.ppf((1 + level) / 2, count - 1))
    # Residuals of equal values differ by rounding only.
    if error <= 1e-15 * max(1.0, abs(mean)):
        return Interval(low=mean, high=mean)
    skewness = float(skew(residuals, bias=False)) if count > 2 else 0.0
    return Interval(
        low=mean - error * _untransformed(quantile, skewness, count),
        high=mean - error * _untransformed(-quantile, skewness, count),
    )


def _untransformed(statistic: float, skewness: float, count: int) -> float:
    """Invert Hall's transformation g(t) = t + a t² + a² t³ / 3 + b."""
    a, b = skewness / (3 * math.sqrt(count)), skewness / (6 * math.sqrt(count))
    if abs(a) < 1e-8:  # the limit, where the formula below loses its digits
        return statistic
    return (math.cbrt(1 + 3 * a * (statistic - b)) - 1) / a
