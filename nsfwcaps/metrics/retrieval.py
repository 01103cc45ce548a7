"""Who finds whom: ranks of the right candidates, in blocks, and what is read off them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

_BLOCK = 1024


def ranks(queries: Vectors, candidates: Vectors, targets: Rows) -> Rows:
    """Rank `[q]`, from 0, of target `[q]` among candidates `[n, d]` for queries `[q, d]`.

    Ties count half, rounded up: a model that maps everything to one point gets no hit for it.

    >>> import numpy as np
    >>> ranks(np.float32([[1, 0]]), np.float32([[0, 1], [1, 0]]), np.array([1])).tolist()
    [0]
    """
    out = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), _BLOCK):
        sims = queries[start : start + _BLOCK] @ candidates.T  # [b, n]
        rows = np.arange(len(sims))
        own = sims[rows, targets[start : start + _BLOCK]][:, None]
        above = (sims > own).sum(axis=1)
        equal = (sims == own).sum(axis=1) - 1  # without itself
        out[start : start + _BLOCK] = above + (equal + 1) // 2
    return out


def recall(of_targets: Rows, k: int) -> float:
    """Share of queries whose target is among the first k."""
    return float((of_targets < k).mean()) if len(of_targets) else float("nan")
