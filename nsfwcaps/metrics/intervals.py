"""Confidence intervals of means over queries."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nsfwcaps.metrics.proportions import wilson
from nsfwcaps.metrics.shares import clustered_share, draws_of
from nsfwcaps.metrics.units import Units, UnitSums, Values, unit_sums

LEVEL = 0.95
_FEWEST = 3
"""Units of an interval of values that are no shares: two do not show how skewed they are."""
_ROUNDING = 1e-9


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
    for 0 of n too. Other values have the t interval, corrected for skewness (`skewed_mean`), within
    the bounds of the mean, and not below 0 if no value is. No interval needs random numbers.
    Without values, or with any NaN or infinity, both ends are NaN.

    Args:
        values: one per query.
        units: the resampling unit `[q]` of each query, if queries vary together.
        bounded: whether the mean is from 0 to 1 whatever the sample, as that of shares, reciprocal
            ranks and weighted hits is; False for a ratio or a distance, which is no share even if
            it is 0 or 1 for every query.
        level: of confidence.

    Raises:
        ValueError: values and units differ in length, or a bounded mean is outside of 0 and 1.
    """
    values = np.asarray(values, dtype=np.float64)
    if not len(values) or not np.isfinite(values).all():
        return Interval(low=float("nan"), high=float("nan"))
    if bounded and (draws := draws_of(values)) is not None:
        share = clustered_share(values, units, draws=draws, level=level)
        return Interval(low=share.low, high=share.high)
    if bounded:
        check_bounded(values)
    low = 0.0 if bounded or values.min() >= 0 else -math.inf
    high = 1.0 if bounded else math.inf
    return skewed_mean(unit_sums(values, units), low=low, high=high, level=level)


def check_bounded(values: Values) -> None:
    """Check that the mean of `[q]` values of a bounded figure is from 0 to 1.

    Raises:
        ValueError: it is not.
    """
    mean = float(values.mean())
    if not -_ROUNDING <= mean <= 1 + _ROUNDING:
        raise ValueError(f"a bounded figure needs a mean from 0 to 1, got {mean:g}")


def skewed_mean(sums: UnitSums, *, low: float, high: float, level: float = LEVEL) -> Interval:
    """Compute the interval of a mean of values of any kind, from sums by unit.

    The mean is from `low` to `high`, which may be infinite.

    The t statistic is transformed by Hall's monotone cubic, which takes out its skewness (Journal
    of the Royal Statistical Society B 54, 1992), as bootstrap-t does by resampling. Unequal units
    enter by their first-order contributions.

    Equal values have no variance, but other values may be yet unseen. With both bounds, their share
    may be as large as Wilson's interval for 0 of n allows, and they may lie at a bound: for values
    of 0 or 1, that is the interval of a share. Without bounds nothing is known: NaN, as it is for
    fewer than three units.
    """
    from scipy.stats import norm, skew, t

    count = len(sums.sums)
    if count < _FEWEST:
        return Interval(low=float("nan"), high=float("nan"))
    mean, error, residuals = sums.mean, math.sqrt(sums.variance), sums.residuals
    quantile = float(t.ppf((1 + level) / 2, count - 1))
    # Residuals of equal values differ by rounding only.
    if error <= 1e-15 * max(1.0, abs(mean)):
        if math.isinf(low) or math.isinf(high):
            return Interval(low=float("nan"), high=float("nan"))
        unseen = wilson(0, count, float(norm.ppf((1 + level) / 2)))[1]
        return Interval(low=mean - unseen * (mean - low), high=mean + unseen * (high - mean))
    skewness = float(skew(residuals, bias=False))
    return Interval(
        low=max(low, mean - error * _untransformed(quantile, skewness, count)),
        high=min(high, mean - error * _untransformed(-quantile, skewness, count)),
    )


def _untransformed(statistic: float, skewness: float, count: int) -> float:
    """Invert Hall's transformation g(t) = t + a t² + a² t³ / 3 + b."""
    a, b = skewness / (3 * math.sqrt(count)), skewness / (6 * math.sqrt(count))
    if abs(a) < 1e-8:  # the limit, where the formula below loses its digits
        return statistic
    return (math.cbrt(1 + 3 * a * (statistic - b)) - 1) / a
