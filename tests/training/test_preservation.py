"""Safe items of the pool: which pair preserves which, epoch by epoch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nsfwcaps.training.curriculum import Sampler, parse_schedule
from nsfwcaps.training.pairs import ItemRows, TrainingPairs
from nsfwcaps.training.preservation import Preservation, PreservationPool, drawn

PAIRS, OWN = 24, 8  # the first eight have a safe item of their own
ROWS = np.arange(PAIRS)


def pairs() -> TrainingPairs:
    names = [str(row) for row in range(PAIRS)]
    return TrainingPairs(
        pair_ids=names,
        unsafe_captions=names,
        safe_captions=[f"own {row % 4}" for row in range(PAIRS)],
        target_captions=names,
        levels=["easy", "medium", "hard"] * 8,
        unsafe_text=ROWS,
        safe_text=ROWS + 100,
        unsafe_image=ROWS,
        safe_image=ROWS + 100,
        target_text=ROWS,
        target_image=ROWS,
    )


def pool(captions: list[str], images: list[int] | None = None) -> PreservationPool:
    rows = np.arange(len(captions)) + 500
    items = ItemRows(
        captions=captions, text=rows, image=rows if images is None else np.array(images) + 500
    )
    return PreservationPool(items=items, takes=ROWS >= OWN)


def batches(schedule: str = "all") -> Callable[[int], list[Any]]:
    made = Sampler(pairs().levels, schedule=parse_schedule(schedule), batch_size=6, seed=1)
    return made.epoch


def given(made: Preservation, number: int, schedule: str = "all") -> list[list[str]]:
    """Captions of the safe items of each batch."""
    changed = made.epoch(number)
    for row, caption in enumerate(changed.safe_captions):
        if caption.startswith("item"):
            assert changed.safe_text[row] == changed.safe_image[row] == 500 + int(caption[4:])
    return [[changed.safe_captions[row] for row in batch] for batch in batches(schedule)(number)]


def test_each_item_is_used_once_before_the_first_is_used_again() -> None:
    """Sixteen pairs take one each: three epochs use forty, then the first eight once more."""
    made = Preservation(pairs(), pool([f"item{row}" for row in range(40)]), batches())
    found = [given(made, number) for number in (1, 2, 3)]
    used = Counter(
        name for epoch in found for batch in epoch for name in batch if name.startswith("item")
    )
    assert len(used) == made.used == 40
    assert [name for name, times in used.items() if times == 2] == [f"item{n}" for n in range(8)]
    assert sum(used.values()) == 48


def test_pairs_with_a_safe_item_of_their_own_keep_it() -> None:
    items = pool([f"item{row}" for row in range(40)])
    changed = Preservation(pairs(), items, batches()).epoch(1)
    assert list(changed.safe_captions[:OWN]) == list(pairs().safe_captions[:OWN])
    assert changed.safe_text[:OWN].tolist() == list(range(100, 100 + OWN))
    assert all(name.startswith("item") for name in changed.safe_captions[OWN:])
    assert list(changed.target_captions) == list(pairs().target_captions)


def test_going_on_at_any_epoch_gives_the_same() -> None:
    schedule, items = "easy/easy+medium/all", pool([f"item{row}" for row in range(11)])
    whole = Preservation(pairs(), items, batches(schedule))
    found = [given(whole, number, schedule) for number in (1, 2, 3, 4)]
    for number in (4, 2):
        fresh = Preservation(pairs(), items, batches(schedule))
        assert given(fresh, number, schedule) == found[number - 1]
    assert given(whole, 4, schedule) == found[3]  # the same again
    assert given(whole, 2, schedule) == found[1]  # and back


def test_equal_items_are_in_different_batches() -> None:
    """By text, by picture, and to the safe items that pairs have of their own."""
    names = [f"item{row // 2}" if row % 2 else f"item{row}" for row in range(30)]
    pictures = [row // 3 for row in range(30)]
    items = pool([f"own {row % 4}" for row in range(4)] + names, [*range(90, 94), *pictures])
    made = Preservation(pairs(), items, batches())
    for number in range(1, 6):
        changed = made.epoch(number)
        for batch in batches()(number):
            taken = [row for row in batch.tolist() if row >= OWN]
            texts = [changed.safe_captions[row] for row in taken]
            images = changed.safe_image[taken].tolist()
            assert len({*texts}) == len(texts)
            assert len({*images}) == len(images)
            own = {changed.safe_captions[row] for row in batch.tolist() if row < OWN}
            assert not own & {*texts}


def test_a_pool_smaller_than_a_batch_repeats_itself() -> None:
    made = Preservation(pairs(), pool(["item0", "item1"]), batches())
    for number in (1, 2):
        names = Counter(name for batch in given(made, number) for name in batch)
        assert names["item0"] + names["item1"] == PAIRS - OWN
    assert made.used == 2


@pytest.mark.parametrize(("wanted", "length"), [(0, 0), (7, 7), (90, 50)])
def test_the_draw_is_a_start_of_an_order_of_the_seed(wanted: int, length: int) -> None:
    found, other = drawn(50, wanted, 3), drawn(50, 50, 3)
    assert len(found) == length
    assert found.tolist() == other[:length].tolist()
    assert sorted(other.tolist()) == list(range(50))
    assert other.tolist() != drawn(50, 50, 4).tolist()


def test_the_draw_is_this_one_on_every_machine() -> None:
    assert drawn(8, 8, 0).tolist() == [6, 3, 1, 4, 5, 2, 7, 0]
