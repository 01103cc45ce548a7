"""The sampler: which pairs come when, whatever was sampled before and on however many processes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.enums import DifficultyLevel
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.training.curriculum import (
    SCHEDULES,
    Curriculum,
    Rows,
    Sampler,
    Schedule,
    parse_schedule,
)

EASY, MEDIUM, HARD = DifficultyLevel.EASY, DifficultyLevel.MEDIUM, DifficultyLevel.HARD
ALL_AT_ONCE = SCHEDULES[Curriculum.NONE]

# Rows 0, 3, 6, … are easy, 1, 4, 7, … medium, 2, 5, 8, … hard.
THIRTY = ["easy", "medium", "hard"] * 10


def sampler(levels: list[str] = THIRTY, **changes: Any) -> Sampler:
    options: dict[str, Any] = {"schedule": ALL_AT_ONCE, "batch_size": 4, "seed": 7}
    return Sampler(levels, **{**options, **changes})


def lists(batches: Any) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


def together(batches: list[Rows]) -> list[int]:
    return [row for batch in batches for row in batch.tolist()]


def test_schedules_are_those_of_the_paper_and_all_levels_at_once() -> None:
    assert SCHEDULES[Curriculum.PROGRESSIVE] == ((EASY,), (EASY, MEDIUM), (EASY, MEDIUM, HARD))
    assert SCHEDULES[Curriculum.NONE] == ((EASY, MEDIUM, HARD),)


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("easy/easy+medium/all", SCHEDULES[Curriculum.PROGRESSIVE]),
        ("all", SCHEDULES[Curriculum.NONE]),
        (" easy / medium + easy /easy+medium+hard", SCHEDULES[Curriculum.PROGRESSIVE]),
        ("hard/all", ((HARD,), (EASY, MEDIUM, HARD))),
    ],
)
def test_a_setting_is_read_as_a_schedule(text: str, schedule: Schedule) -> None:
    assert parse_schedule(text) == schedule


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("easy/easy+midium/all", "epoch 2: unknown level 'midium'"),
        ("", "epoch 1: unknown level ''"),
        ("easy//all", "epoch 2: unknown level ''"),
        ("easy+", "epoch 1: unknown level ''"),
        ("Easy", "epoch 1: unknown level 'Easy'"),
        ("easy+medium+easy", "epoch 1: 'easy' repeats a level"),
        ("easy/all+hard", "epoch 2: 'hard' repeats a level"),
        (
            "easy,medium",
            "epoch 1: unknown level 'easy,medium'; choose from easy, medium, hard, all",
        ),
    ],
)
def test_the_word_that_is_wrong_is_named(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_schedule(text)
    assert told in str(caught.value)


def test_hard_pairs_wait_for_the_third_epoch() -> None:
    made = sampler(schedule=SCHEDULES[Curriculum.PROGRESSIVE], drop_last=False)
    levels = [{THIRTY[row] for row in together(made.epoch(number))} for number in (1, 2, 3, 9)]
    assert levels == [{EASY}, {EASY, MEDIUM}, set(DifficultyLevel), set(DifficultyLevel)]
    assert [len(together(made.epoch(number))) for number in (1, 2, 3, 9)] == [10, 20, 30, 30]


def test_an_epoch_has_every_pair_of_its_levels_once() -> None:
    made = sampler(schedule=((EASY, HARD),), drop_last=False)
    expected = [row for row in range(30) if row % 3 != 1]
    assert sorted(together(made.epoch(1))) == expected


def test_the_order_is_this_one_on_every_machine() -> None:
    # Recomputed from the streams that numpy promises to keep.
    stream = np.random.PCG64(np.random.SeedSequence(7, spawn_key=(1,)))
    numbers = stream.random_raw(9).tolist()
    order = sorted(range(9), key=lambda row: numbers[row])
    assert together(sampler(["hard"] * 9, drop_last=False).epoch(1)) == order
    assert order == [1, 4, 3, 2, 6, 5, 8, 0, 7]


def test_another_process_draws_the_same_batches() -> None:
    code = (
        "from nsfwcaps.training.curriculum import Sampler, parse_schedule\n"
        "made = Sampler(['easy', 'medium', 'hard'] * 10, schedule=parse_schedule('all'),\n"
        "    batch_size=4, seed=7, avoid_repeats=[[str(row // 3) for row in range(30)]])\n"
        "print([batch.tolist() for batch in made.epoch(2)])\n"
        "import sys; assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    keys = [str(row // 3) for row in range(30)]
    assert done.stdout.strip() == str(lists(sampler(avoid_repeats=[keys]).epoch(2)))


def test_seeds_and_epochs_give_other_orders() -> None:
    orders = [
        tuple(together(sampler(seed=seed).epoch(epoch)))
        for seed, epoch in [(7, 1), (7, 2), (7, 3), (8, 1), (8, 2), (1, 7), (2**32 + 7, 1)]
    ]
    assert len(set(orders)) == len(orders)


def test_an_epoch_does_not_depend_on_what_was_sampled_before() -> None:
    made = sampler()
    made.epoch(1), list(made.batches(2))
    assert lists(made.epoch(3)) == lists(sampler().epoch(3))
    assert lists(made.epoch(3)) == lists(made.epoch(3))


def test_a_run_goes_on_in_the_middle_of_an_epoch() -> None:
    whole = lists(sampler().batches(2))
    assert len(whole) == 7
    for step in range(8):
        assert lists(sampler().batches(2, start_step=step)) == whole[step:]


@pytest.mark.parametrize("step", [-1, 8])
def test_a_step_outside_of_the_epoch_is_refused(step: int) -> None:
    with pytest.raises(ValueError, match="has 7 steps"):
        sampler().batches(2, start_step=step)


def test_epochs_count_from_one() -> None:
    with pytest.raises(ValueError, match="count from 1"):
        sampler().epoch(0)


def test_what_is_left_of_a_batch_is_dropped_and_changes_with_the_epoch() -> None:
    made = sampler()  # 30 pairs in batches of 4: 7 batches and 2 pairs
    assert [len(batch) for batch in made.epoch(1)] == [4] * 7
    dropped = [set(range(30)) - set(together(made.epoch(number))) for number in (1, 2, 3)]
    assert [len(rows) for rows in dropped] == [2, 2, 2]
    assert len({frozenset(rows) for rows in dropped}) > 1


def test_what_is_left_of_a_batch_is_used_where_that_is_asked_for() -> None:
    assert [len(batch) for batch in sampler(drop_last=False).epoch(1)] == [4] * 7 + [2]


@pytest.mark.parametrize("drop_last", [True, False])
def test_the_only_batch_is_used_even_if_it_is_not_whole(drop_last: bool) -> None:
    made = sampler(["easy"] * 3, batch_size=48, drop_last=drop_last)
    assert [sorted(batch.tolist()) for batch in made.epoch(1)] == [[0, 1, 2]]
    assert made.steps(1) == 1


def test_steps_of_the_paper_s_schedule() -> None:
    made = sampler(schedule=SCHEDULES[Curriculum.PROGRESSIVE])
    # 10, 20, 30 pairs in batches of 4
    assert [made.steps(number) for number in range(1, 5)] == [2, 5, 7, 7]
    assert made.total_steps(4) == 2 + 5 + 7 + 7


@given(
    levels=st.lists(st.sampled_from(list(DifficultyLevel)), min_size=1, max_size=40),
    batch_size=st.integers(1, 9),
    drop_last=st.booleans(),
    keys=st.sampled_from([None, 2, 5, 40]),
)
def test_steps_are_the_batches_that_come(
    levels: list[str], batch_size: int, drop_last: bool, keys: int | None
) -> None:
    made = sampler(
        levels,
        schedule=parse_schedule("easy/hard/all"),
        batch_size=batch_size,
        drop_last=drop_last,
        avoid_repeats=[] if keys is None else [[str(row % keys) for row in range(len(levels))]],
    )
    epochs = [made.epoch(number) for number in (1, 2, 3, 4)]
    assert [made.steps(number) for number in (1, 2, 3, 4)] == [len(batches) for batches in epochs]
    assert made.total_steps(4) == sum(len(batches) for batches in epochs)
    for batches in epochs:
        rows = together(batches)
        assert len(set(rows)) == len(rows)
        assert all(len(batch) == batch_size for batch in batches[:-1])


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
@pytest.mark.parametrize("keys", [[], [[str(row // 3) for row in range(30)]]])
def test_processes_together_have_the_batches_of_one(world_size: int, keys: list[list[str]]) -> None:
    alone = lists(sampler(avoid_repeats=keys).epoch(2))
    shares = [
        lists(sampler(world_size=world_size, rank=rank, avoid_repeats=keys).batches(2))
        for rank in range(world_size)
    ]
    joined = [[row for share in step for row in share] for step in zip(*shares, strict=True)]
    assert joined == alone
    sizes = {len(share) for rank in shares for share in rank}
    assert max(sizes) - min(sizes) <= 1


def test_every_process_can_go_on_in_the_middle_of_an_epoch() -> None:
    whole = lists(sampler(world_size=2, rank=1).batches(1))
    assert lists(sampler(world_size=2, rank=1).batches(1, start_step=3)) == whole[3:]


def test_a_batch_that_does_not_go_round_is_refused() -> None:
    # The first epoch has one batch of 2 pairs, and 3 processes need one each.
    levels = ["easy"] * 2 + ["hard"] * 8
    with pytest.raises(
        ConfigError, match="epoch 1 has a batch of 2 pairs, fewer than the 3 processes"
    ):
        sampler(levels, schedule=parse_schedule("easy/all"), world_size=3)
    with pytest.raises(
        ConfigError, match="epoch 1 has a batch of 4 pairs, fewer than the 5 processes"
    ):
        sampler(world_size=5)
    with pytest.raises(
        ConfigError, match="epoch 1 has a batch of 2 pairs, fewer than the 3 processes"
    ):
        sampler(world_size=3, drop_last=False)  # 30 pairs leave a batch of 2


def test_an_epoch_without_pairs_has_no_steps() -> None:
    made = sampler(["medium", "hard"] * 4, schedule=SCHEDULES[Curriculum.PROGRESSIVE])
    assert [made.steps(number) for number in (1, 2, 3)] == [0, 1, 2]
    assert made.epoch(1) == []
    assert list(made.batches(1)) == []
    assert made.total_steps(3) == 3


def test_pairs_that_no_epoch_comes_to_are_an_error_with_the_counts() -> None:
    with pytest.raises(InputError, match="found 0 easy, 2 medium, 1 hard"):
        sampler(["medium", "hard", "medium"], schedule=parse_schedule("easy"))
    with pytest.raises(InputError, match="found 0 easy, 0 medium, 0 hard"):
        sampler([])


def test_epochs_that_all_come_before_the_first_pair_are_an_error_with_the_counts() -> None:
    made = sampler(["hard"] * 5, schedule=SCHEDULES[Curriculum.PROGRESSIVE])
    assert made.total_steps(3) == 1
    with pytest.raises(InputError, match=r"found 0 easy, 0 medium, 5 hard.*first 2 epochs"):
        made.total_steps(2)


def test_an_unknown_level_is_named_with_its_row() -> None:
    with pytest.raises(InputError, match="row 2: unknown stage 'tough'"):
        sampler(["easy", "hard", "tough"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schedule": ()}, "every epoch needs a level"),
        ({"schedule": ((EASY,), ())}, "every epoch needs a level"),
        ({"batch_size": 0}, "batch size: must be at least 1, got 0"),
        ({"seed": -1}, "seed: must be at least 0, got -1"),
        ({"world_size": 0}, r"rank: must be in \[0, 0\), got 0"),
        ({"world_size": 2, "rank": 2}, r"rank: must be in \[0, 2\), got 2"),
        ({"world_size": 2, "rank": -1}, r"rank: must be in \[0, 2\), got -1"),
    ],
)
def test_sizes_that_cannot_work_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        sampler(**changes)


def test_a_level_named_twice_in_a_schedule_counts_once() -> None:
    made = sampler(schedule=((EASY, EASY),))
    assert made.steps(1) == 2
    assert len(made.epoch(1)) == 2
