"""Batches of captions of similar length, to minimise padding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def length_sorted(lengths: npt.NDArray[np.int64], batch_tokens: int) -> list[npt.NDArray[np.int64]]:
    """Group captions `[n]` into batches, shortest first, of at most `batch_tokens` padded tokens.

    >>> [batch.tolist() for batch in length_sorted(np.array([5, 2, 9, 2]), 10)]
    [[1, 3], [0], [2]]
    """
    order = np.argsort(lengths, kind="stable")
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        longest_next = lengths[order[end]] if end < len(order) else 0
        if end == len(order) or longest_next * (end + 1 - start) > batch_tokens:
            batches.append(order[start:end])
            start = end
    return batches
