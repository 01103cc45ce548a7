"""Holm's adjustment of several p-values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p: Sequence[float]) -> list[float]:
    """Apply Holm's step-down adjustment (1979) to the p-values of several comparisons.

    At a level of .05 it keeps the chance of any false positive below .05. NaNs stay NaN and do not
    count as comparisons.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=np.float64)
    out = np.full(len(given), np.nan)
    order = np.argsort(given)[: np.count_nonzero(~np.isnan(given))]  # NaNs sort last
    times = np.arange(len(order), 0, -1)
    out[order] = np.minimum(1, np.maximum.accumulate(given[order] * times))
    return [float(value) for value in out]
