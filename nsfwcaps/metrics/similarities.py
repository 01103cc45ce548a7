"""Similarities of pairs of rows, and how close two of them must be to count as equal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.answer_sets import Rows

Vectors = npt.NDArray[np.float32]

TIE = 1e-6
"""Cosines this close count as equal: rounding in a single-precision matrix product depends on the
position of a row, so two equal rows can differ by a few times 1e-7."""
BLOCK_ROWS = 1024


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
