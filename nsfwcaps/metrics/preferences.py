"""Which of two items a query prefers (SafeGround, WACV 2026)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.retrieval import TIE

Similarities = npt.NDArray[np.float64]


def prefers(wanted: Similarities, other: Similarities) -> npt.NDArray[np.bool_]:
    """Tell for each query `[p]`, by its similarities, whether the wanted item is the nearer one.

    A tie is no preference, and what is no number has none.

    >>> import numpy as np
    >>> prefers(np.array([0.5, 0.2, 0.3]), np.array([0.1, 0.2, 0.4])).tolist()
    [True, False, False]
    """
    return wanted > other + TIE
