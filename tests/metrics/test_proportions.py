"""Shares and their intervals, against the formula."""

from __future__ import annotations

import math

import pytest

from nsfwcaps.metrics.proportions import share


@pytest.mark.parametrize(("count", "of"), [(0, 1), (1, 1), (3, 10), (50, 100), (999, 1000)])
def test_wilson(count: int, of: int) -> None:
    z, p = 1.959963984540054, count / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    found = share(count, of)
    assert (found.count, found.of, found.value) == (count, of, p)
    assert (found.low, found.high) == pytest.approx((max(0, middle - half), min(1, middle + half)))


def test_of_nothing_there_is_no_share() -> None:
    found = share(0, 0)
    assert all(math.isnan(value) for value in (found.value, found.low, found.high))
