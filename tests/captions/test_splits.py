"""Groups stay whole, shares are met as far as whole groups allow, storage order has no say."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.captions.splits import assign, beside, equal_values, groups

Rows = npt.NDArray[np.int64]

group_lists = st.lists(st.integers(0, 12), min_size=1, max_size=60)
shares = st.tuples(st.integers(0, 19), st.integers(0, 19)).map(
    lambda pair: (pair[0] / 20, min(pair[1], 19 - pair[0]) / 20)
)


def rows(*values: int) -> Rows:
    return np.array(values, dtype=np.int64)


def names(count: int) -> list[str]:
    return [f"pair-{number:04d}" for number in range(count)]


def split(
    group_of: list[int], validation_share: float = 0.1, test_share: float = 0.1, seed: int = 0
) -> list[str]:
    chosen: list[str] = assign(
        rows(*group_of),
        names(len(group_of)),
        validation_share=validation_share,
        test_share=test_share,
        seed=seed,
    ).tolist()
    return chosen


def test_groups_are_the_connected_components() -> None:
    #  0 ─ 1 ─ 4    2 ─ 3    5    6 ─ 7 (twice, and from both ends)
    found = groups(8, rows(0, 4, 3, 6, 7, 6), rows(1, 1, 2, 7, 6, 7))
    assert found[0] == found[1] == found[4]
    assert found[2] == found[3]
    assert found[6] == found[7]
    assert len({found[0], found[2], found[5], found[6]}) == 4


def test_nodes_without_edges_are_groups_of_their_own() -> None:
    assert sorted(groups(4, rows(), rows()).tolist()) == [0, 1, 2, 3]


def test_the_same_edge_many_times_still_joins() -> None:
    """More repeats than an eight-bit sum can hold: 256 of them would add up to zero."""
    found = groups(3, rows(*[0] * 256), rows(*[1] * 256))
    assert found[0] == found[1] != found[2]


@given(
    nodes=st.integers(1, 15),
    data=st.data(),
)
def test_groups_agree_with_joining_edge_by_edge(nodes: int, data: st.DataObject) -> None:
    node = st.integers(0, nodes - 1)
    edges = data.draw(st.lists(st.tuples(node, node), max_size=20))
    joined = list(range(nodes))
    for low, high in edges:
        old, new = joined[high], joined[low]
        joined = [new if label == old else label for label in joined]
    left, right = rows(*(low for low, _ in edges)), rows(*(high for _, high in edges))
    found = groups(nodes, left, right).tolist()
    assert len(set(zip(joined, found, strict=True))) == len(set(joined)) == len(set(found))


def test_equal_values_are_linked_to_the_first() -> None:
    left, right = equal_values(rows(5, -1, 2, 5, -1, 5, 2, 9))
    assert [*zip(left.tolist(), right.tolist(), strict=True)] == [(0, 3), (0, 5), (2, 6)]


@given(codes=st.lists(st.integers(-1, 4), max_size=20))
def test_groups_of_equal_values_are_the_values(codes: list[int]) -> None:
    found = groups(len(codes), *equal_values(rows(*codes))).tolist()
    for one, own in enumerate(codes):
        for other, its in enumerate(codes):
            assert (found[one] == found[other]) == (one == other or own == its != -1)


@given(group_of=group_lists, share=shares, seed=st.integers(0, 100))
def test_no_group_is_in_two_splits(
    group_of: list[int], share: tuple[float, float], seed: int
) -> None:
    chosen = split(group_of, *share, seed=seed)
    assert len(set(zip(group_of, chosen, strict=True))) == len(set(group_of))


@given(group_of=group_lists, share=shares, seed=st.integers(0, 100))
def test_shares_are_met_within_the_smallest_group_left_to_train(
    group_of: list[int], share: tuple[float, float], seed: int
) -> None:
    count = len(group_of)
    chosen = split(group_of, *share, seed=seed)
    sizes = Counter(chosen)
    in_train = {group for group, name in zip(group_of, chosen, strict=True) if name == "train"}
    smallest = min(Counter(group_of)[group] for group in in_train)
    test = min(round(share[1] * count), count - 1)
    validation = min(round(share[0] * count), count - 1 - test)
    assert test - smallest < sizes["test"] <= test
    assert validation - smallest < sizes["validation"] <= validation


@given(group_of=group_lists, share=shares, seed=st.integers(0, 100))
def test_train_is_never_empty(group_of: list[int], share: tuple[float, float], seed: int) -> None:
    assert "train" in split(group_of, *share, seed=seed)


@pytest.mark.parametrize(
    ("pairs", "validation_share", "test_share"),
    [(1, 0.0, 0.6), (1, 0.6, 0.0), (2, 0.45, 0.45), (3, 0.49, 0.5), (5, 0.5, 0.49)],
)
def test_a_handful_of_pairs_is_not_all_given_to_the_small_splits(
    pairs: int, validation_share: float, test_share: float
) -> None:
    assert split(list(range(pairs)), validation_share, test_share).count("train") >= 1


def test_single_pairs_fill_the_shares_exactly() -> None:
    assert Counter(split(list(range(200)), 0.1, 0.25)) == {
        "train": 130,
        "validation": 20,
        "test": 50,
    }


def test_a_share_of_zero_leaves_the_split_out() -> None:
    assert set(split(list(range(50)), 0.0, 0.0)) == {"train"}
    assert set(split(list(range(50)), 0.0, 0.2)) == {"train", "test"}


def test_a_group_larger_than_a_small_split_is_trained_on() -> None:
    group_of = [0] * 30 + list(range(1, 71))
    for seed in range(5):
        chosen = split(group_of, seed=seed)
        assert set(chosen[:30]) == {"train"}
        assert Counter(chosen) == {"train": 80, "validation": 10, "test": 10}


@given(group_of=group_lists, share=shares, data=st.data())
def test_the_order_of_pairs_and_the_numbers_of_groups_do_not_matter(
    group_of: list[int], share: tuple[float, float], data: st.DataObject
) -> None:
    ids = names(len(group_of))
    order = data.draw(st.permutations(range(len(group_of))))
    renumbered = data.draw(st.permutations(range(13)))
    again = assign(
        rows(*(renumbered[group_of[at]] for at in order)),
        [ids[at] for at in order],
        validation_share=share[0],
        test_share=share[1],
        seed=0,
    ).tolist()
    plain = split(group_of, *share)
    assert again == [plain[at] for at in order]


def test_the_seed_chooses_other_groups_of_the_same_number() -> None:
    group_of = list(range(100))
    first, second = split(group_of, seed=0), split(group_of, seed=1)
    assert first == split(group_of, seed=0)
    assert first != second
    assert Counter(first) == Counter(second) == {"train": 80, "validation": 10, "test": 10}


def test_ids_and_groups_of_different_number_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        assign(rows(0, 1), ["one"], validation_share=0.1, test_share=0.1, seed=0)


def test_what_pairs_name_lies_beside_them_in_their_split_alone() -> None:
    #        own group, nothing, group 1, group 0, and group 7, which has no pair
    named = rows(0, -1, 1, 0, 7, 7, 7)
    group_of = rows(0, 0, 0, 1, 0, 1, 2)
    split_of = np.array(["train", "train", "train", "test", "train", "test", "train"])
    kept = beside(named, group_of, split_of, names(7)).tolist()
    assert kept == [True, False, False, False, True, False, True]
    # The first in order of ids decides where group 7 lies, whatever the order of the rows.
    backwards = beside(named, group_of, split_of, names(7)[::-1]).tolist()
    assert backwards == [True, False, False, False, True, False, True]
    other = beside(named, group_of, split_of, [*"dcbefag"]).tolist()
    assert other == [True, False, False, False, False, True, False]
