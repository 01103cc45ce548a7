"""Near-duplicates in one table: pairs of rows above a cosine threshold, without a full matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsfwcaps.vectors.exact import exact_sims
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.nearest import HeldTable
from nsfwcaps.vectors.source import VectorSource

Mask = npt.NDArray[np.bool_]

_FIRST_LOOK = 32


def near_duplicates(held: HeldTable, start: int, stop: int, threshold: float) -> tuple[Rows, Rows]:
    """Return edges `[e]`, `[e]` from rows `[start, stop)` to later rows with cosine ≥ threshold.

    Rows with more such neighbours than the first search returns are searched again, deeper.
    """
    left, right = [], []
    table = held.table
    open_rows, depth = np.arange(start, stop), min(_FIRST_LOOK, table.rows)
    queries = table.read(start, stop)
    while len(open_rows):
        # A cosine at the threshold must give the same result on every machine.
        found = held.nearest(queries[open_rows - start], depth, exact=True)
        close = found.sims >= threshold
        more = close[:, -1] & (depth < table.rows)
        query, place = np.nonzero(close & ~more[:, None])
        other = found.rows[query, place]
        later = other > open_rows[query]
        left.append(open_rows[query][later])
        right.append(other[later])
        open_rows, depth = open_rows[more], min(depth * 8, table.rows)
    return np.concatenate([np.empty(0, np.int64), *left]), np.concatenate(
        [np.empty(0, np.int64), *right]
    )


def near_rows(table: VectorSource, left: Rows, right: Rows, threshold: float) -> Mask:
    """Mask `[m]` of pairs of rows `[m]`, `[m]` with cosine ≥ threshold, as `near_duplicates`."""
    if not len(left):
        return np.zeros(0, dtype=np.bool_)
    distinct, place = np.unique(left, return_inverse=True)
    sims = exact_sims(table.take(distinct), table, place, right) / table.squared_length
    near: Mask = sims.astype(np.float32) >= np.float32(threshold)
    return near
