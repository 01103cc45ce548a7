"""p-values of paired differences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nsfwcaps.metrics.units import Values

FLIPS = 20_000
"""Random sign flips per test: p is at least 1/FLIPS, and Holm's adjustment multiplies it."""

_BLOCK_VALUES = 2**22
_FEW = 64
"""Up to this many distinct sizes, flips are drawn as a number of minus signs for each size."""


def mcnemar(better: int, worse: int) -> float:
    """Return the two-sided mid-p-value of McNemar's exact test.

    The exact p counts the observed outcome wholly and is conservative; the mid-p counts half of it.
    Of 9,595 cases that Fagerland, Lydersen and Laake tried (BMC Medical Research Methodology 13:91,
    2013), it exceeded the level in none. It also agrees with Newcombe's interval on whether there
    is a difference, which the exact p often does not.

    >>> mcnemar(6, 0), mcnemar(0, 0)
    (0.015625, 1.0)
    """
    from scipy.stats import binom

    fewer, count = min(better, worse), better + worse
    return float(min(1.0, 2 * binom.cdf(fewer, count, 0.5) - binom.pmf(fewer, count, 0.5)))


def sign_flips(differences: Values, *, seed: int, flips: int = FLIPS) -> float:
    """Return the share of sign flips, the observed one included, with at least as large a sum.

    Exact under the null hypothesis that the two models are exchangeable within each of the `[m]`
    units.
    """
    random = np.random.default_rng(seed)
    sizes = np.abs(differences[differences != 0])
    if not len(sizes):
        return 1.0
    # Sums that differ only by the order of summation count as equal.
    bar = abs(float(differences.sum())) - 1e-9 * float(sizes.sum())
    as_far = 1
    for minus in _sums_of_minus(sizes, flips - 1, random):
        as_far += int((np.abs(sizes.sum() - 2 * minus) >= bar).sum())
    return as_far / flips


def _sums_of_minus(sizes: Values, flips: int, random: np.random.Generator) -> Iterator[Values]:
    """Yield the sums of the sizes whose sign is minus, for some flips at a time."""
    kinds, counts = np.unique(sizes, return_counts=True)
    if len(kinds) <= _FEW:
        yield random.binomial(counts, 0.5, size=(flips, len(kinds))) @ kinds
        return
    for start, stop in _blocks(flips, len(sizes)):
        bits = random.integers(0, 256, size=(stop - start, -(-len(sizes) // 8)), dtype=np.uint8)
        yield np.unpackbits(bits, axis=1, count=len(sizes)).astype(np.float64) @ sizes


def _blocks(count: int, width: int) -> list[tuple[int, int]]:
    """Split rows into ranges that fit in memory."""
    rows = max(1, _BLOCK_VALUES // width)
    return [(start, min(start + rows, count)) for start in range(0, count, rows)]
