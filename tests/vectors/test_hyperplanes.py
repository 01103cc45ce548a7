"""Hashes by random hyperplanes: the probability that is promised, and the same on any machine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nsfwcaps.vectors.array import VectorArray
from nsfwcaps.vectors.bucket_join import Groups, join_buckets
from nsfwcaps.vectors.hyperplanes import HashPlan, hash_tables, plan_hashes
from nsfwcaps.vectors.near_duplicates import near_rows
from nsfwcaps.vectors.source import Half
from nsfwcaps.vectors.store import VectorTable


def unit(rows: np.ndarray) -> Half:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float16)


def pairs_at(cosine: float, count: int, width: int) -> Half:
    """Rows `[2 count, d]`: row n and row count + n have the cosine, others any."""
    random = np.random.default_rng(3)
    one = random.standard_normal((count, width))
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    other = random.standard_normal((count, width))
    other -= (other * one).sum(1, keepdims=True) * one
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    return unit(np.concatenate([one, cosine * one + np.sqrt(1 - cosine**2) * other]))


def test_a_table_puts_a_pair_into_one_bucket_as_often_as_its_angle_says() -> None:
    """60 degrees: two of three hyperplanes, so 4/9 of the pairs for two of them."""
    table = VectorArray(pairs_at(0.5, 2000, 24))
    plan = HashPlan(bits=2, tables=8, probability=0.0)
    shares = [
        float((keys[:2000] == keys[2000:]).mean()) for _, keys in hash_tables(table, plan, 0, 8)
    ]
    assert np.mean(shares) == pytest.approx(4 / 9, abs=0.02)
    assert all(keys.max() == 3 for _, keys in hash_tables(table, plan, 0, 8))


@pytest.mark.parametrize("threshold", [0.8, 0.95, 0.99, 1.0])
def test_the_plan_promises_what_its_tables_find(threshold: float) -> None:
    plan = plan_hashes(VectorArray(pairs_at(0.9, 1000, 24)), threshold)
    same = 1 - np.arccos(threshold - 0.001) / np.pi
    missed = (1 - same**plan.bits) ** plan.tables
    assert plan.probability == pytest.approx(1 - missed)
    assert missed <= 0.001 < (1 - same**plan.bits) ** (plan.tables - 1)


def test_a_narrow_cone_gets_more_hyperplanes() -> None:
    random = np.random.default_rng(1)
    wide = random.standard_normal((4000, 24))
    narrow = wide + 1.5 * random.standard_normal(24)
    plans = [plan_hashes(VectorArray(unit(rows)), 0.95) for rows in (wide, narrow)]
    assert plans[0].bits < plans[1].bits
    assert plans[0].tables < plans[1].tables


def test_pairs_at_the_threshold_are_found() -> None:
    """2000 pairs a little above 0.95; 0.999 of them would leave 2 out, on average."""
    rows = pairs_at(0.951, 2000, 24)
    table = VectorArray(rows)
    plan, known = plan_hashes(table, 0.95), Groups(np.arange(4000))
    edges = 0
    for _, keys in hash_tables(table, plan, 0, plan.tables):
        left, right = join_buckets(
            keys, lambda one, other: near_rows(table, one, other, 0.95), known
        )
        sims = (rows[left].astype(np.float64) * rows[right].astype(np.float64)).sum(1)
        assert (sims.astype(np.float32) >= np.float32(0.95)).all()
        edges += len(left)
    missed = int((known.labels[:2000] != known.labels[2000:]).sum())
    assert missed <= 8
    assert edges >= 2000 - missed


def test_hashes_depend_on_neither_files_nor_tables_at_once(
    make_table: Callable[..., VectorTable], unit_rows: Callable[..., Half]
) -> None:
    rows = unit_rows(90, 16)
    plan = HashPlan(bits=20, tables=5, probability=0.0)
    together = dict(hash_tables(make_table(rows), plan, 0, 5))
    for number in range(5):
        ((at, keys),) = hash_tables(make_table(rows, [3, 60, 27]), plan, number, 1)
        assert at == number
        assert keys.tolist() == together[number].tolist()


def test_a_hash_has_one_bit_for_each_side() -> None:
    """The row and its opposite are on different sides of every hyperplane."""
    rows = pairs_at(-1.0, 50, 24)
    plan = HashPlan(bits=30, tables=1, probability=0.0)
    ((_, keys),) = hash_tables(VectorArray(rows), plan, 0, 1)
    assert set((keys[:50] ^ keys[50:]).tolist()) == {2**30 - 1}
