"""Bounds of the error of an inner product of unit rows in half precision, one per kind of device.

Both kinds multiply exactly: a product of two half-precision numbers has at most 22 significant
bits, and single precision has 24. Only the sums round. A search is exact where the distance between
two cosines is above twice the bound of the device that computed them; closer ones are recomputed.

**IEEE single precision** (CPU): every sum rounds to nearest, in any order. FAISS on a GPU, which
serves where torch is too old for tiles, also sums in single precision without tensor cores; the
larger bound of tensor cores is used for it all the same.

**Tensor cores** (GPU, tiles): the accumulator is in single precision, but sums are truncated. A
block of b products and the accumulator are aligned to the largest exponent, what is below its last
of 24 bits is cut off, and the sum is cut to 24 bits again (Fasi, Higham, Mikaitis and Pranesh 2021,
"Numerical behavior of NVIDIA tensor cores", for V100, T4 and A100; Khattak and Mikaitis 2025,
arXiv 2512.07004, for H100 and B200; newer chips keep more bits, so their errors are smaller). Let
M bound every product and every partial sum. Then

    one block      b products and the accumulator lose < 2⁻²³·M each, the sum < 2⁻²³·M once more
    n products     ⌈n / b⌉ blocks: n + 2·⌈n / b⌉ errors; with b ≥ 4 at most n + 2·⌈n / 4⌉

A first block has no accumulator to cut off. So partial sums of several accumulators, which are
added up with one error each, cost no more. Nor does a sum without tensor cores, rounded to nearest.
By Cauchy and Schwarz the sum of the absolute products is at most the product of the lengths, 1.01
with the rounding of the rows to half precision. Computed partial sums exceed it by at most the
bound E itself. With e = (n + 2·⌈n / 4⌉)·2⁻²³, E ≤ e·(1.01 + E), hence E ≤ 1.01·e / (1 − e).

Rows that are several unit rows side by side have a larger length; both bounds grow with the product
of the lengths, so whoever holds such rows multiplies the bound by their squared length.
"""

from __future__ import annotations

_LENGTHS = 1.01
"""Bound of the product of the lengths of two unit rows in half precision."""
_LEAST_BLOCK = 4
"""Products that a tensor core adds at once, at the least: V100. More make the error smaller."""


def rounding_bound(width: int) -> float:
    """Bound the error of an IEEE single-precision inner product, in any summation order.

    Higham, Accuracy and Stability of Numerical Algorithms (2002), section 3.1: n·u / (1 − n·u)
    with u = 2⁻²⁴; 1 % more for rows whose length exceeds one in half precision.
    """
    nu = width * 2.0**-24
    return _LENGTHS * nu / (1 - nu)


def tensor_core_bound(width: int) -> float:
    """Bound the error of an inner product on tensor cores with a single-precision accumulator."""
    blocks = -(-width // _LEAST_BLOCK)
    error = (width + 2 * blocks) * 2.0**-23
    return _LENGTHS * error / (1 - error)
