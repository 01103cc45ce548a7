from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.reports.axes import Axis, around


def test_values_are_placed_between_the_ends_either_way_round() -> None:
    axis = Axis(low=0.2, high=0.4, start=100, end=0)
    assert [axis.at(value) for value in (0.2, 0.3, 0.4, 9.0, -1.0)] == [100, 50, 0, 0, 100]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.61, 0.74, [0.65, 0.7]),
        (-0.25, 0.3, [-0.2, 0, 0.2]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert Axis(low=low, high=high, start=0, end=1).ticks() == pytest.approx(ticks)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=5))
def test_axis_shows_every_value_and_has_a_tick(values: list[float]) -> None:
    axis = around(values, start=0, end=300, least=0.1, within=(-1.0, 1.0))
    assert axis.low <= min(values)
    assert axis.high >= max(values)
    assert axis.ticks()
    assert all(axis.low - 1e-9 <= tick <= axis.high + 1e-9 for tick in axis.ticks())
