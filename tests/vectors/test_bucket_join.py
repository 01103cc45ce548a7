"""Rows of equal keys: connected as all pairs in all buckets would, with few comparisons."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.captions.splits import groups
from nsfwcaps.vectors.bucket_join import Groups, Keys, join_buckets, key_bits
from nsfwcaps.vectors.index import Rows


def rows(*values: int) -> Rows:
    return np.array(values, dtype=np.int64)


def keys(*values: int) -> Keys:
    return np.array(values, dtype=np.uint64)


def parts(labels: Rows) -> set[frozenset[int]]:
    """The groups as sets of rows, whatever their labels."""
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}


class Matrix:
    """Nearness given as a matrix; remembers what was compared."""

    def __init__(self, near: npt.NDArray[np.bool_]) -> None:
        self.near = near | near.T
        self.compared: list[tuple[int, int]] = []

    def __call__(self, left: Rows, right: Rows) -> npt.NDArray[np.bool_]:
        self.compared += zip(left.tolist(), right.tolist(), strict=True)
        found: npt.NDArray[np.bool_] = self.near[left, right]
        return found


def test_edges_join_groups() -> None:
    known = Groups(rows(0, 1, 2, 3, 4, 5))
    known.add(rows(4, 5), rows(1, 4))
    assert known.labels.tolist() == [0, 1, 2, 3, 1, 1]
    known.add(rows(), rows())
    known.add(rows(3, 2), rows(0, 2))
    assert known.labels.tolist() == [0, 1, 2, 0, 1, 1]


def test_only_rows_of_one_bucket_are_compared() -> None:
    near = Matrix(np.ones((5, 5), bool))
    left, right = join_buckets(keys(7, 3, 7, 9, 3), near, Groups(np.arange(5)))
    assert sorted(near.compared) == [(0, 2), (1, 4)]
    assert sorted(zip(left.tolist(), right.tolist(), strict=True)) == [(0, 2), (1, 4)]


def test_rows_of_one_group_are_not_compared_again() -> None:
    near = Matrix(np.ones((3, 3), bool))
    left, _ = join_buckets(keys(1, 1, 1), near, Groups(rows(0, 0, 0)))
    assert near.compared == []
    assert left.tolist() == []


def test_a_bucket_of_copies_costs_one_comparison_a_row() -> None:
    near = Matrix(np.ones((1000, 1000), bool))
    known = Groups(np.arange(1000))
    join_buckets(keys(*[5] * 1000), near, known)
    assert len(near.compared) == 999
    assert set(known.labels.tolist()) == {0}


def test_a_bucket_of_strangers_is_compared_whole() -> None:
    near = Matrix(np.zeros((40, 40), bool))
    join_buckets(keys(*[5] * 40), near, Groups(np.arange(40)))
    assert sorted(near.compared) == [
        (low, high) for low in range(40) for high in range(low + 1, 40)
    ]


@given(data=st.data(), count=st.integers(1, 40), seed=st.integers(0, 10_000))
def test_groups_are_those_of_all_pairs_in_all_buckets(
    data: st.DataObject, count: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    of = keys(*random.integers(0, data.draw(st.integers(1, 8)), count).tolist())
    near = Matrix(random.random((count, count)) < data.draw(st.sampled_from([0.02, 0.2, 0.9])))
    start = groups(count, rows(0), rows(count - 1))
    known = Groups(start)
    left, right = join_buckets(of, near, known)
    assert near.near[left, right].all()
    low, high = np.nonzero(near.near & (of[:, None] == of))
    first = np.zeros(1, np.int64)
    expected = groups(count, np.r_[first, low], np.r_[first + count - 1, high])
    assert parts(known.labels) == parts(expected)
    joined = groups(count, np.r_[first, left], np.r_[first + count - 1, right])
    assert parts(joined) == parts(expected)


@pytest.mark.parametrize(
    ("count", "bits"), [(1, 63), (2, 63), (3, 62), (2**24, 40), (2**24 + 1, 39)]
)
def test_key_and_row_share_64_bits(count: int, bits: int) -> None:
    assert key_bits(count) == bits


def test_the_largest_keys_are_told_apart() -> None:
    top = 2 ** key_bits(4) - 1
    near = Matrix(np.ones((4, 4), bool))
    join_buckets(keys(top, top - 1, top, 0), near, Groups(np.arange(4)))
    assert near.compared == [(0, 2)]
