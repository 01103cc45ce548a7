"""Pairs of one target in different batches: what the sampler promises, against plain counting."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.training.curriculum import SCHEDULES, Curriculum, Rows, Sampler

# Rows 0, 3, 6, … are easy, 1, 4, 7, … medium, 2, 5, 8, … hard.
THIRTY = ["easy", "medium", "hard"] * 10


def sampler(levels: list[str] = THIRTY, **changes: Any) -> Sampler:
    options: dict[str, Any] = {
        "schedule": SCHEDULES[Curriculum.NONE],
        "batch_size": 4,
        "seed": 7,
    }
    return Sampler(levels, **{**options, **changes})


def together(batches: list[Rows]) -> list[int]:
    return [row for batch in batches for row in batch.tolist()]


def repeats(batches: list[Rows], keys: list[str]) -> int:
    counts = (Counter(keys[row] for row in batch.tolist()) for batch in batches)
    return sum(count - 1 for of_batch in counts for count in of_batch.values())


def test_without_keys_the_same_target_meets_itself() -> None:
    keys = [str(row // 3) for row in range(30)]
    assert any(repeats(sampler().epoch(number), keys) for number in range(1, 6))


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=20),
    batch_size=st.integers(1, 8),
    drop_last=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_key_comes_once_in_a_batch_where_there_are_batches_enough(
    sizes: list[int], batch_size: int, drop_last: bool, seed: int
) -> None:
    keys = [f"target {number}" for number, size in enumerate(sizes) for _ in range(size)]
    options: dict[str, Any] = {"batch_size": batch_size, "drop_last": drop_last, "seed": seed}
    made = sampler(["easy"] * len(keys), avoid_repeats=[keys], **options)
    batches = made.epoch(1)
    # Nothing is lost: the same pairs as without keys, in batches of the same sizes.
    plain = sampler(["easy"] * len(keys), **options).epoch(1)
    assert sorted(together(batches)) == sorted(together(plain))
    assert [len(batch) for batch in batches] == [len(batch) for batch in plain]
    whole = sum(len(batch) == batch_size for batch in batches)
    for key, count in Counter(keys[row] for row in together(batches)).items():
        most = max(sum(keys[row] == key for row in batch.tolist()) for batch in batches)
        assert most == 1 or count > whole
        if whole == len(batches):
            assert most == -(-count // whole)  # spread evenly


def test_a_hub_with_more_pairs_than_batches_is_spread_evenly() -> None:
    keys = ["hub"] * 12 + [str(row) for row in range(12)]
    made = sampler(["easy"] * 24, avoid_repeats=[keys])
    assert [sum(row < 12 for row in batch.tolist()) for batch in made.epoch(1)] == [2] * 6
    assert repeats(made.epoch(1), keys) == 6


def test_avoiding_repeats_keeps_to_the_levels_of_the_epoch() -> None:
    keys = [str(row // 3) for row in range(30)]
    made = sampler(
        schedule=SCHEDULES[Curriculum.PROGRESSIVE], avoid_repeats=[keys], drop_last=False
    )
    assert sorted(together(made.epoch(1))) == list(range(0, 30, 3))


def test_pairs_of_one_target_are_scattered_over_the_epoch() -> None:
    # Dealt to neighbouring batches they would be there in turn; batches are mixed afterwards.
    keys = ["hub"] * 20 + [str(row) for row in range(180)]
    made = sampler(["easy"] * 200, avoid_repeats=[keys], batch_size=4)
    found = [any(row < 20 for row in batch.tolist()) for batch in made.epoch(1)]
    runs = sum(one != other for one, other in itertools.pairwise(found))
    assert sum(found) == 20
    assert runs > 10


def test_companions_in_a_batch_change_with_the_epoch_where_repeats_are_avoided() -> None:
    keys = [str(row // 2) for row in range(30)]
    made = sampler(avoid_repeats=[keys])
    pairs = [{frozenset(batch.tolist()) for batch in made.epoch(number)} for number in (1, 2)]
    assert not pairs[0] & pairs[1]


def test_keys_are_one_for_each_pair() -> None:
    with pytest.raises(ValueError, match="2 keys for 30 pairs"):
        sampler(avoid_repeats=[["a", "b"]])
