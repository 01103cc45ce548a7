"""Sums by resampling unit: queries that share a target, a picture or a caption vary together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Units = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class UnitSums:
    """Sum and number of the values of each of m units."""

    sums: Values
    counts: Values

    @property
    def mean(self) -> float:
        """Mean over all values."""
        return float(self.sums.sum() / self.counts.sum())

    @property
    def residuals(self) -> Values:
        """Contribution `[m]` of each unit to the error of the mean, to first order."""
        return np.asarray((self.sums - self.mean * self.counts) / self.counts.sum())

    @property
    def variance(self) -> float:
        """Variance of the mean between units: the ratio estimator of a one-stage cluster sample.

        Cochran, Sampling Techniques, 3rd edition, 1977, section 9A.1. NaN for one unit.
        """
        units = len(self.sums)
        if units < 2:
            return float("nan")
        return float(np.square(self.residuals).sum() * units / (units - 1))

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the variance: at most m − 1, fewer if few units make most of it.

        By Satterthwaite (1946), from the variance of a variance, 2 / (m − 1) + (kurtosis − 3) / m.
        At least 2. For values that differ between units.
        """
        units, squares = len(self.sums), np.square(self.residuals)
        kurtosis = units * float(np.square(squares).sum()) / float(squares.sum()) ** 2
        relative = 2 / (units - 1) + (kurtosis - 3) / units
        return max(2.0, min(2 / relative, units - 1)) if relative > 0 else units - 1.0


def unit_sums(values: Values, units: Units | None) -> UnitSums:
    """Sum `[q]` values by unit `[q]`; None: every value is a unit of its own.

    Raises:
        ValueError: the lengths differ.
    """
    if units is None:
        return UnitSums(sums=values, counts=np.ones(len(values)))
    if len(units) != len(values):
        raise ValueError(f"need a unit for each value, got {len(units)} for {len(values)}")
    _, number = np.unique(units, return_inverse=True)
    return UnitSums(
        sums=np.bincount(number, weights=values).astype(np.float64),
        counts=np.bincount(number).astype(np.float64),
    )


def count_units(queries: int, units: Units | None) -> int:
    """Count the independent units among the queries."""
    return queries if units is None else len(np.unique(units))
