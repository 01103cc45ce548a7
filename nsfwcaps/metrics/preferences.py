"""Preference of a query between two items (SafeGround, WACV 2026)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.similarities import TIE

Similarities = npt.NDArray[np.float64]


def prefers(wanted: Similarities, other: Similarities) -> npt.NDArray[np.bool_]:
    """Tell for each query `[p]` whether its similarity to the wanted item is the larger one.

    Ties and NaNs count as no preference.

    >>> import numpy as np
    >>> prefers(np.array([0.5, 0.2, 0.3]), np.array([0.1, 0.2, 0.4])).tolist()
    [True, False, False]
    """
    return wanted > other + TIE
