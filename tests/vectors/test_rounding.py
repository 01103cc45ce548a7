"""Error bounds of the engines, against sums that are truncated as in tensor cores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from support.tensor_cores import TensorCores, truncated_products

from nsfwcaps.errors import DeviceError
from nsfwcaps.vectors.array import VectorArray
from nsfwcaps.vectors.nearest import HeldTable
from nsfwcaps.vectors.rounding import rounding_bound, tensor_core_bound
from nsfwcaps.vectors.source import Half

UnitRows = Callable[..., Half]

BLOCKS = [4, 8, 16]
WIDTH = 768
SMALL = np.float16(np.sqrt(2.0**-23) * 0.99)
"""Squared, it is just below the last bit of an accumulator at 1: a tensor core drops it."""


def exact(queries: Half, rows: Half) -> npt.NDArray[np.float64]:
    sims: npt.NDArray[np.float64] = queries.astype(np.float64) @ rows.astype(np.float64).T
    return sims


def first_product_large(width: int, sign: int = 1) -> tuple[Half, Half]:
    """A query and a row `[1, d]` whose first product is 1 and whose others are just dropped."""
    query = np.full((1, width), SMALL, dtype=np.float16)
    query[:, 0] = 1
    row = query.copy()
    row[:, 1:] *= np.float16(sign)
    return query, row


def cancelling(width: int) -> tuple[Half, Half]:
    """Two large products that cancel, on both sides of small ones."""
    query, row = first_product_large(width)
    query[:, [0, -1]] = np.float16(0.7)
    row[:, 0], row[:, -1] = np.float16(0.7), np.float16(-0.7)
    return query, row


def test_bounds_are_the_formulas_of_the_proof() -> None:
    assert rounding_bound(1024) == pytest.approx(1.01 * 1024 * 2**-24 / (1 - 1024 * 2**-24))
    error = 1.5 * 1024 * 2**-23
    assert tensor_core_bound(1024) == pytest.approx(1.01 * error / (1 - error))
    # Two blocks of 4 and 2 products: 6 products and accumulators of 2 blocks, and 2 sums.
    assert tensor_core_bound(6) == pytest.approx(1.01 * 10 * 2**-23, rel=1e-5)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("width", [5, 32, 384, 768, 1024])
def test_truncated_sums_stay_below_the_bound(unit_rows: UnitRows, width: int, block: int) -> None:
    left, right = unit_rows(12, width, seed=1), unit_rows(40, width, seed=2)
    right[:12] = left  # duplicates: cosines of 1
    right[12:24] = -left
    # Magnitudes that fall and rise along the sum.
    order = np.argsort(-np.abs(left[0].astype(np.float64)))
    pairs = [
        (left, right),
        (left[:, order], right[:, order]),
        (left[:, order[::-1]], right[:, order[::-1]]),
        (np.abs(left), np.abs(right)),
        first_product_large(width),
        first_product_large(width, -1),
        cancelling(width),
    ]
    bound = tensor_core_bound(width)
    for queries, rows in pairs:
        error = np.abs(truncated_products(queries, rows, block) - exact(queries, rows)).max()
        assert error <= bound


@pytest.mark.parametrize("block", BLOCKS)
def test_truncation_exceeds_the_bound_of_ieee_sums(block: int) -> None:
    """Guards the test above: the bound of the host would be wrong for tensor cores."""
    query, row = first_product_large(WIDTH)
    error = np.abs(truncated_products(query, row, block) - exact(query, row)).max()
    assert error > 1.8 * rounding_bound(WIDTH)
    assert error > 0.6 * tensor_core_bound(WIDTH)


@pytest.mark.parametrize("block", BLOCKS)
def test_near_ties_at_full_width_come_in_exact_order(unit_rows: UnitRows, block: int) -> None:
    """Rows that differ by last bits of a few components: closer than truncated sums can tell."""
    random = np.random.default_rng(7)
    centre = unit_rows(1, WIDTH, seed=4)
    steps = np.where(random.random((150, WIDTH)) < 0.05, random.integers(-1, 2, (150, WIDTH)), 0)
    rows = (centre.view(np.int16) + steps.astype(np.int16)).view(np.float16)
    rows[100:] = rows[random.integers(0, 100, 50)]
    queries = np.concatenate([centre, rows[:5], unit_rows(2, WIDTH, seed=5)])
    sims = exact(queries, rows)
    truth = np.lexsort((np.broadcast_to(np.arange(150), sims.shape), -sims), axis=-1)
    plain = np.argsort(-truncated_products(queries, rows, block), axis=1, kind="stable")
    assert (plain != truth).mean() > 0.1, "truncated sums alone put some in another order"
    for k in (1, 10, 120):
        pool = HeldTable(VectorArray(rows), TensorCores(max_k=32, block=block), block_rows=9)
        found = pool.nearest(queries, k, exact=True)
        np.testing.assert_array_equal(found.rows, truth[:, :k])
        expected = np.take_along_axis(sims, truth[:, :k], axis=1).astype(np.float32)
        np.testing.assert_array_equal(found.sims, expected)


def deceptive() -> tuple[Half, Half]:
    """A query, and rows whose truncated sums put the nearest one last but far away.

    Row 0 is the nearest: tensor cores drop its 765 small products. Row 1 is second: they drop its
    negative ones. The others lie between the two truncated sums, and are really further away.
    """
    small = np.float64(SMALL)
    query = np.full(WIDTH, SMALL, dtype=np.float16)
    query[:3] = 0.707, 0.707, 0.0625
    rows = np.zeros((41, WIDTH), dtype=np.float16)
    rows[:, :2] = 0.707
    lost = (WIDTH - 3) * small * small
    # Steps of the third component move a cosine by 2⁻⁴ · 2⁻¹⁴.
    rows[:, 2] = 0.0625 + np.round(0.02 * lost / 0.0625 * 2**14) * 2.0**-14
    rows[0, 2] = 0.0625
    rows[1, 2] = 0.0625 + np.round(1.7 * lost / 0.0625 * 2**14) * 2.0**-14
    rows[0, 3:], rows[1, 3:] = SMALL, -SMALL
    return query[None], rows


class OldSlack(TensorCores):
    """Tensor cores with the error bound of the host."""

    def error_bound(self, width: int) -> float:
        return rounding_bound(width)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_slack_for_ieee_sums_would_prove_a_wrong_neighbour(block: int) -> None:
    query, rows = deceptive()
    assert np.linalg.norm(rows.astype(np.float64), axis=1).max() < 1.005
    truth = np.argsort(-exact(query, rows)[0], kind="stable")
    assert truth[:2].tolist() == [0, 1]
    table = VectorArray(rows)
    wrong = HeldTable(table, OldSlack(block=block), block_rows=99).nearest(query, 1)
    assert wrong.rows.tolist() == [[1]]
    right = HeldTable(table, TensorCores(block=block), block_rows=99).nearest(query, 1)
    assert right.rows.tolist() == [[0]]


def test_errors_outside_the_bound_end_the_search(unit_rows: UnitRows) -> None:
    """Every cosine that is computed exactly checks the assumption of the proof."""

    class Coarse(TensorCores):
        def on_device(self, queries, rows, k):  # type: ignore[no-untyped-def]
            sims, found = super().on_device(queries, rows, k)
            return sims + 2.1 * tensor_core_bound(WIDTH), found

    rows = unit_rows(50, WIDTH, seed=3)
    pool = HeldTable(VectorArray(rows), Coarse(), block_rows=99)
    with pytest.raises(DeviceError, match=r"computed a cosine with an error of .*--device cpu"):
        pool.nearest(rows[:3], 5, exact=True)
