"""Similarities of many queries to many candidates, in blocks that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.answer_sets import Rows

Vectors = npt.NDArray[np.float32]

TIE = 1e-6
"""Cosines this close count as equal: rounding in a single-precision matrix product depends on the
position of a row, so two equal rows can differ by a few times 1e-7."""
BLOCK_ROWS = 1024
BLOCK_VALUES = 2**25
"""Similarities per block: 128 MiB."""


def similarity_blocks(queries: Vectors, *pools: Vectors) -> Iterator[tuple[slice, Vectors]]:
    """Yield slices of queries with their similarities `[b, n]` to all rows of all pools.

    The array is reused: consume it before the next iteration.
    """
    width = sum(len(pool) for pool in pools)
    rows = max(1, min(BLOCK_ROWS, BLOCK_VALUES // max(width, 1)))
    sims = np.empty((min(rows, len(queries)), width), dtype=np.float32)
    for start in range(0, len(queries), rows):
        block = slice(start, min(start + rows, len(queries)))
        part = sims[: block.stop - start]
        at = 0
        for pool in pools:
            np.matmul(queries[block], pool.T, out=part[:, at : at + len(pool)])
            at += len(pool)
        yield block, part


def pair_similarities(
    one: Vectors, one_of: Rows, other: Vectors, other_of: Rows
) -> npt.NDArray[np.float64]:
    """Return the similarity `[p]` between row `one_of` `[p]` and row `other_of` `[p]`."""
    out = np.empty(len(one_of))
    for start in range(0, len(out), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        rows = one[one_of[block]], other[other_of[block]]
        np.einsum("pd,pd->p", *rows, dtype=np.float64, out=out[block])
    return out
