"""How many of the true nearest neighbours an approximate search finds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def recall_at(true_rows: Rows, found_rows: Rows) -> float:
    """Share of the true neighbours `[q, k]` that were found `[q, k]`.

    >>> recall_at(np.array([[1, 2], [3, 4]]), np.array([[2, 9], [3, 4]]))
    0.75
    """
    hits = sum(
        len(np.intersect1d(true, found)) for true, found in zip(true_rows, found_rows, strict=True)
    )
    return hits / true_rows.size
