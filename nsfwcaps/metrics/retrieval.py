"""Who finds whom: ranks of the right candidates, in blocks, and what is read off them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

_BLOCK = 1024

TIE = 1e-6
"""Cosines this close are equal: a matrix product in single precision, whose rounding depends on
where a row stands in it, gives those of two equal rows apart by a few times 1e-7."""


def ranks(queries: Vectors, candidates: Vectors, targets: Rows) -> Rows:
    """Rank `[q]`, from 0, of target `[q]` among candidates `[n, d]` for queries `[q, d]`.

    Ties count half, rounded up: a model that maps everything to one point gets no hit for it.

    >>> import numpy as np
    >>> ranks(np.float32([[1, 0]]), np.float32([[0, 1], [1, 0]]), np.array([1])).tolist()
    [0]
    """
    out = np.empty(len(queries), dtype=np.int64)
    for block, sims in _blocks(queries, candidates):
        own = sims[np.arange(len(sims)), targets[block]][:, None]
        above = (~(sims <= own + TIE)).sum(axis=1)  # also what is no number: it is no hit
        equal = (np.abs(sims - own) <= TIE).sum(axis=1) - 1  # without itself
        out[block] = above + (equal + 1) // 2
    return out


def nearest_sims(queries: Vectors, candidates: Vectors) -> Vectors:
    """Similarity `[q]` of each query to the nearest of candidates `[n, d]`."""
    out = np.empty(len(queries), dtype=np.float32)
    for block, sims in _blocks(queries, candidates):
        out[block] = sims.max(axis=1)
    return out


def recall(of_targets: Rows, k: int) -> float:
    """Share of queries whose target is among the first k."""
    return float((of_targets < k).mean()) if len(of_targets) else float("nan")


def _blocks(queries: Vectors, candidates: Vectors) -> Iterator[tuple[slice, Vectors]]:
    """Which queries, and their similarities `[b, n]`: all at once need not fit in memory."""
    for start in range(0, len(queries), _BLOCK):
        block = slice(start, start + _BLOCK)
        yield block, queries[block] @ candidates.T
