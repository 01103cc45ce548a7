"""Axes of a plot: the mapping from values to positions, and ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Maps values from `low` to `high` to positions from `start` to `end`, in either direction."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the position of a value, clipped to the axis."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, about: int = 5) -> list[float]:
        """Return about `about` round numbers on the axis."""
        rough = (self.high - self.low) / about
        power = 10.0 ** math.floor(math.log10(rough))
        step = power * next(item for item in _STEPS if item * power >= rough * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def around(
    values: Sequence[float], *, start: float, end: float, least: float, within: tuple[float, float]
) -> Axis:
    """Make an axis with all values and a margin, at least `least` wide, inside `within`."""
    low, high = min(values), max(values)
    margin = max(0.08 * (high - low), (least - (high - low)) / 2)
    low, high = max(low - margin, within[0]), min(high + margin, within[1])
    return Axis(low=low, high=high, start=start, end=end)
