"""Proportions with confidence intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

_QUANTILE = 1.959963984540054
"""Of the standard normal distribution, for 95 %."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A proportion with its 95 % Wilson interval; NaN if the denominator is 0."""

    count: int
    of: int
    value: float
    low: float
    high: float


def share(count: int, of: int) -> Share:
    """Return the proportion and its interval.

    >>> found = share(9, 10)
    >>> (found.value, round(found.low, 3), round(found.high, 3))
    (0.9, 0.596, 0.982)
    """
    if not of:
        nan = float("nan")
        return Share(count=0, of=0, value=nan, low=nan, high=nan)
    low, high = wilson(count / of, of)
    return Share(count=count, of=of, value=count / of, low=low, high=high)


def wilson(value: float, size: float, quantile: float = _QUANTILE) -> tuple[float, float]:
    """Return the score interval of a proportion (Wilson, JASA 22, 1927).

    It has a width for 0 and 1 as well.

    Args:
        value: the proportion.
        size: number of independent trials, at least 1; with clusters the effective number.
        quantile: of the error in standard deviations; the default is for 95 %.

    >>> [round(end, 4) for end in wilson(0, 50)]
    [0.0, 0.0713]
    """
    square = quantile**2 / size
    middle = (value + square / 2) / (1 + square)
    half = math.sqrt(square * value * (1 - value) + square**2 / 4) / (1 + square)
    # Rounding must not leave the value outside.
    return max(0.0, min(middle - half, value)), min(1.0, max(middle + half, value))
