"""Equal items in a batch: which count as equal, and that both of a pair's items are kept apart."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.training.curriculum import Sampler, parse_schedule
from nsfwcaps.training.repeats import item_keys

ALL = parse_schedule("all")


def repeats(batches: list[list[int]], keys: list[int | None]) -> int:
    counts = (Counter(keys[row] for row in batch if keys[row] is not None) for batch in batches)
    return sum(count - 1 for counted in counts for count in counted.values())


def batches(*keys: list[int | None], size: int = 4, seed: int = 0) -> list[list[int]]:
    made = Sampler(
        ["easy"] * len(keys[0]), schedule=ALL, batch_size=size, seed=seed, avoid_repeats=keys
    )
    return [batch.tolist() for batch in made.epoch(1)]


def test_equal_texts_and_equal_pictures_are_equal_items() -> None:
    """Also through a third: the first and the last share neither."""
    keys = item_keys(["a cup", "a mug", "a cup", "a vase", "a dog"], np.array([1, 2, 3, 3, 4]))
    assert keys[0] == keys[2] == keys[3]
    assert len({*keys.tolist()}) == 3
    assert item_keys([], np.zeros(0, dtype=np.int64)).tolist() == []


def test_a_text_is_not_a_picture_of_the_same_number() -> None:
    assert len({*item_keys(["1", "2"], np.array([2, 1])).tolist()}) == 2


def test_targets_and_safe_items_are_both_kept_apart() -> None:
    """Dealing by target alone puts equal safe items together."""
    targets: list[int | None] = [row // 5 for row in range(60)]
    kept: list[int | None] = [row % 15 for row in range(60)]
    found = [batches(targets, seed=seed) for seed in range(5)]
    assert sum(repeats(one, kept) for one in found) > 20
    for seed in range(5):
        both = batches(targets, kept, seed=seed)
        assert repeats(both, targets) == repeats(both, kept) == 0
        assert sorted(row for batch in both for row in batch) == list(range(60))


def test_pairs_without_a_safe_item_of_their_own_repeat_nothing() -> None:
    targets: list[int | None] = [*range(40)]
    assert batches(targets, [None] * 40) == batches(targets)


@given(
    pairs=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=4, max_size=60),
    size=st.integers(2, 8),
    seed=st.integers(0, 9),
)
def test_nothing_is_lost_and_targets_repeat_no_more_than_alone(
    pairs: list[tuple[int, int]], size: int, seed: int
) -> None:
    targets: list[int | None] = [target for target, _ in pairs]
    kept: list[int | None] = [item for _, item in pairs]
    alone, both = (
        batches(targets, size=size, seed=seed),
        batches(targets, kept, size=size, seed=seed),
    )
    assert sorted(chain(*both)) == sorted(chain(*alone))
    assert list(map(len, both)) == list(map(len, alone))
    assert repeats(both, targets) <= repeats(alone, targets)
    assert repeats(both, kept) <= repeats(alone, kept)
