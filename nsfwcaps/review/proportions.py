"""A share of some, and where the share of all may lie."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many of how many, with Wilson's interval at the 95 % level; no numbers of none."""

    count: int
    of: int
    value: float
    low: float
    high: float


def share(count: int, of: int) -> Share:
    """Return the share and its interval (Wilson, JASA 22, 1927).

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
