"""Hashes of unit rows by random hyperplanes: near rows are likely to have equal ones.

A hyperplane separates two rows at an angle θ with probability θ/π. So b of them give the same side
for both with probability (1 − θ/π)^b, and L tables of b miss a pair with probability
(1 − (1 − θ/π)^b)^L (Charikar 2002).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nsfwcaps.vectors.bucket_join import Keys, key_bits
from nsfwcaps.vectors.exact import one_thread, tensor_of
from nsfwcaps.vectors.source import VectorSource

CERTAINTY = 0.999
"""Probability at least of finding a pair whose cosine is just the threshold."""
_ROUNDED = 0.001
"""More than the rounding of two rows to half precision changes their cosine."""
_SAMPLE = 2048
_SEED = 20
_BLOCK_ROWS = 16_384
_MOST_BITS = 48
# Seconds on one core, measured; only their ratios matter.
_PRODUCT, _SORTED, _VERIFIED = 6e-11, 2e-7, 3e-9


@dataclass(frozen=True, kw_only=True)
class HashPlan:
    """Number of hyperplanes of a table, and of tables."""

    bits: int
    tables: int
    probability: float
    """That a pair at the threshold is in one bucket of some table."""


def plan_hashes(vectors: VectorSource, threshold: float) -> HashPlan:
    """Choose the cheapest tables that find a pair at the threshold with `CERTAINTY`.

    More bits mean more tables, with fewer rows in a bucket. How many that will be is estimated on
    a sample of the rows: captions of one kind fill a narrow cone, and need more bits.
    """
    same = _same_side(max(-1.0, threshold - _ROUNDED))
    sides = _sampled_sides(vectors)
    n, d = float(vectors.rows), vectors.width
    best, both = None, sides**7
    for bits in range(8, min(_MOST_BITS, key_bits(vectors.rows)) + 1):
        tables = _tables(same**bits)
        both *= sides
        pairs = n * n / 2 * float(both.mean())
        each = n * (bits * d * _PRODUCT + _SORTED) + pairs * d * _VERIFIED
        if best is None or tables * each < best[0]:
            best = tables * each, bits, tables
    assert best is not None, "there are at least 8 bits"
    _, bits, tables = best
    return HashPlan(bits=bits, tables=tables, probability=1 - (1 - same**bits) ** tables)


def _same_side(cosine: float) -> float:
    return 1 - math.acos(min(1.0, cosine)) / math.pi


def _tables(found: float) -> int:
    """Tables needed if each finds a pair with probability `found`."""
    return 1 if found >= CERTAINTY else math.ceil(math.log(1 - CERTAINTY) / math.log1p(-found))


def _sampled_sides(vectors: VectorSource) -> np.ndarray:
    """Return the probability `[m]` that a hyperplane has both rows of sampled pairs on one side."""
    rng = np.random.default_rng(_SEED)
    size = min(_SAMPLE, vectors.rows)
    rows = np.sort(rng.choice(vectors.rows, size, replace=False))
    sample = vectors.take(rows).astype(np.float64)
    cosines = (sample @ sample.T)[np.triu_indices(size, 1)]
    sides: np.ndarray = 1 - np.arccos(np.clip(cosines, -1, 1)) / np.pi
    return sides


def hash_tables(
    vectors: VectorSource, plan: HashPlan, first: int, count: int
) -> Iterator[tuple[int, Keys]]:
    """Yield (number, keys `[n]`) of `count` tables from the `first`, from one pass over the rows.

    The numbers of a hyperplane are multiples of 1/256, so that products and sums in double
    precision are exact: every machine finds the same keys.
    """
    planes = [_planes(number, vectors.width, plan.bits) for number in range(first, first + count)]
    normals = tensor_of(np.concatenate(planes, axis=1))  # [d, count · bits]
    places = tensor_of(2.0 ** np.arange(plan.bits))  # their sums fit the 53 bits of a double
    keys = np.empty((count, vectors.rows), dtype=np.uint64)
    with one_thread():
        for start, block in vectors.blocks(_BLOCK_ROWS):
            sides = (tensor_of(block).double() @ normals >= 0).double()
            numbers = sides.view(len(block), count, plan.bits) @ places  # [rows, count]
            keys[:, start : start + len(block)] = numbers.numpy().T
    for number in range(count):
        yield first + number, keys[number]


def _planes(table: int, width: int, bits: int) -> np.ndarray:
    normal = np.random.default_rng([_SEED, table]).standard_normal((width, bits))
    return np.rint(normal * 256) / 256
