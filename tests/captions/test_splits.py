"""Groups stay whole, other groups move none, storage order has no say."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
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


def by_hand(seed: int, members: list[str], count: int, shares: dict[str, float]) -> str:
    """The rule for one group, from its members and the number of all pairs alone."""
    first = hashlib.blake2b(f"{seed}:{min(members)}".encode(), digest_size=16).hexdigest()
    number, end = int(first[:12], 16) / 16**12, 0.0
    for name, share in shares.items():
        end += share
        if number < end:
            return name if len(members) <= round(share * count) else "train"
    return "train"


@settings(deadline=None)  # a busy machine
@given(sizes=st.lists(st.integers(1, 40), min_size=150, max_size=250), seed=st.integers(0, 9))
def test_a_group_depends_on_its_smallest_id_and_size_alone(sizes: list[int], seed: int) -> None:
    group_of = [group for group, size in enumerate(sizes) for _ in range(size)]
    ids = names(len(group_of))
    chosen = split(group_of, 0.1, 0.2, seed=seed)
    assert {"train", "validation", "test"} == set(chosen)  # so nothing was moved to an empty one
    start = 0
    for size in sizes:
        members, own = ids[start : start + size], {*chosen[start : start + size]}
        start += size
        shares = {"test": 0.2, "validation": 0.1}
        assert own == {by_hand(seed, members, len(ids), shares)}


CAPTIONS = 150


@settings(deadline=None)
@given(data=st.data(), seed=st.integers(0, 5))
def test_changes_to_other_captions_move_no_untouched_group(data: st.DataObject, seed: int) -> None:
    """Captions are removed, added and get other targets; groups are those of shared targets."""
    target = st.integers(0, 200)
    before = {f"u{n:03d}": n for n in range(CAPTIONS)}
    before |= data.draw(st.dictionaries(st.sampled_from(sorted(before)), target, max_size=30))
    edits = data.draw(
        st.dictionaries(
            st.sampled_from([*before, *(f"v{n}" for n in range(9))]), target | st.none()
        )
    )
    after = {name: item for name, item in (before | edits).items() if item is not None}
    first, second = assigned(before, seed), assigned(after, seed)
    for members, found in first.items():
        if members in second and len(members) < 10:  # a tenth of 150 less some removed ones
            assert second[members] == found
    assert sum(members in second for members in first) > 50


def assigned(target_of: dict[str, int], seed: int) -> dict[frozenset[str], str]:
    """The split of every set of captions with one target; a set is known by what is in it."""
    ids = sorted(target_of)
    chosen = assign(
        rows(*(target_of[name] for name in ids)),
        ids,
        validation_share=0.1,
        test_share=0.1,
        seed=seed,
    ).tolist()
    members: dict[int, list[str]] = {}
    for name in ids:
        members.setdefault(target_of[name], []).append(name)
    split_of = dict(zip(ids, chosen, strict=True))
    return {frozenset(found): split_of[found[0]] for found in members.values()}


@given(group_of=group_lists, share=shares, seed=st.integers(0, 100))
def test_no_split_holds_a_group_larger_than_its_share(
    group_of: list[int], share: tuple[float, float], seed: int
) -> None:
    count, sizes = len(group_of), Counter(group_of)
    chosen = split(group_of, *share, seed=seed)
    largest = {
        name: max(sizes[group] for group, own in zip(group_of, chosen, strict=True) if own == name)
        for name in set(chosen)
    }
    assert largest.get("validation", 0) <= max(1, round(share[0] * count))
    assert largest.get("test", 0) <= max(1, round(share[1] * count))
    assert "validation" not in largest or share[0]
    assert "test" not in largest or share[1]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("count", [3, 10, 20, 30])
def test_a_wanted_split_is_not_empty_in_a_small_set(count: int, seed: int) -> None:
    assert set(split([*range(count)], 0.3, 0.3, seed)) == {"train", "validation", "test"}
    assert set(split([*range(count)], 0.0, 0.3, seed)) == {"train", "test"}


def test_an_empty_split_takes_the_nearest_group_that_fits() -> None:
    # Numbers of seed 0, sorted, by hand: none of these ten groups is below 0.1 or in [0.1, 0.2).
    ids = [name for name in names(60) if number_of(name) >= 0.2][:10]
    nearest = sorted(ids, key=number_of)
    found = assign(rows(*range(10)), ids, validation_share=0.1, test_share=0.1, seed=0).tolist()
    split_of = dict(zip(ids, found, strict=True))
    assert [split_of[name] for name in nearest] == ["test", "validation"] + ["train"] * 8
    # A share that rounds to no pair asks for none.
    found = assign(rows(*range(10)), ids, validation_share=0.04, test_share=0.1, seed=0).tolist()
    split_of = dict(zip(ids, found, strict=True))
    assert [split_of[name] for name in nearest] == ["test"] + ["train"] * 9


def number_of(name: str) -> float:
    return int(hashlib.blake2b(f"0:{name}".encode(), digest_size=16).hexdigest()[:12], 16) / 16**12


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


def test_single_pairs_meet_the_shares_as_drawing_at_random_does() -> None:
    """Standard deviations of 2,000 draws: 19.4 for a quarter, 13.4 for a tenth."""
    for seed in range(10):
        found = Counter(split([*range(2000)], 0.1, 0.25, seed))
        assert abs(found["test"] - 500) < 4 * 19.4
        assert abs(found["validation"] - 200) < 4 * 13.4


def test_a_share_of_zero_leaves_the_split_out() -> None:
    assert set(split(list(range(50)), 0.0, 0.0)) == {"train"}
    assert set(split(list(range(50)), 0.0, 0.2)) == {"train", "test"}


def test_a_group_larger_than_a_small_split_is_trained_on() -> None:
    group_of = [0] * 30 + list(range(1, 71))
    for seed in range(5):
        chosen = split(group_of, seed=seed)
        assert set(chosen[:30]) == {"train"}
        assert {"validation", "test"} < set(chosen)


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


def test_the_seed_chooses_other_groups() -> None:
    group_of = list(range(100))
    first, second = split(group_of, seed=0), split(group_of, seed=1)
    assert first == split(group_of, seed=0)
    assert first != second


def test_ids_and_groups_of_different_number_are_refused() -> None:
    with pytest.raises(ValueError, match="2 groups of 1 ids"):
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
