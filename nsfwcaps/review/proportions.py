"""Proportions with confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Share:
    """A proportion with its 95 % Wilson interval; NaN if the denominator is 0."""

    count: int
    of: int
    value: float
    low: float
    high: float


def share(count: int, of: int) -> Share:
    """Return the proportion and its interval (Wilson, JASA 22, 1927).

    >>> found = share(9, 10)
    >>> (found.value, round(found.low, 3), round(found.high, 3))
    (0.9, 0.596, 0.982)
    """
    if not of:
        nan = float("nan")
        return Share(count=0, of=0, value=nan, low=nan, high=nan)
    from scipy.stats import binomtest

    interval = binomtest(count, of).proportion_ci(method="wilson")
    return Share(
        count=count, of=of, value=count / of, low=float(interval.low), high=float(interval.high)
    )
