"""Batches of captions of like length, and items made ahead on threads."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.encoders.batches import length_sorted
from nsfwcaps.runtime.prefetch import prefetch


@dataclass
class Limit:
    units: int


@given(lengths=st.lists(st.integers(1, 77), max_size=60), batch_tokens=st.integers(1, 400))
def test_batches_hold_each_caption_once_within_the_budget(
    lengths: list[int], batch_tokens: int
) -> None:
    of = np.sort(np.array(lengths, dtype=np.int64))
    batches = list(length_sorted(of, Limit(batch_tokens)))
    assert [place for batch in batches for place in batch] == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * of[batch[-1]] <= batch_tokens


@given(lengths=st.lists(st.integers(1, 77), min_size=1, max_size=60), tokens=st.integers(1, 400))
def test_no_batch_could_take_the_next_caption_too(lengths: list[int], tokens: int) -> None:
    of = np.sort(np.array(lengths, dtype=np.int64))
    batches = length_sorted(of, Limit(tokens))
    for batch, following in itertools.pairwise(batches):
        assert (len(batch) + 1) * of[following[0]] > tokens


def test_a_caption_longer_than_the_budget_is_alone() -> None:
    found = length_sorted(np.array([3, 50, 60]), Limit(10))
    assert [list(batch) for batch in found] == [[0], [1], [2]]


def test_a_large_batch_ends_where_longer_captions_begin() -> None:
    lengths = np.repeat([8, 10, 16, 17], [3000, 2000, 1500, 20_000])
    found = [len(batch) for batch in length_sorted(lengths, Limit(262_144))]
    # 3000 * 8 = 24,000 tokens are not enough: 10 and 8 tokens share a batch, 16 and 17 another.
    assert found == [5000, 1500 + 13_920, 6080]
    assert 15_420 * 17 <= 262_144 < 15_421 * 17


def test_small_batches_mix_lengths() -> None:
    lengths = np.repeat([8, 10, 16], [30, 20, 15])
    assert [len(batch) for batch in length_sorted(lengths, Limit(4096))] == [65]


def test_a_limit_that_changes_holds_for_the_next_batch() -> None:
    limit = Limit(4)
    found = []
    for batch in length_sorted(np.full(20, 2), limit):
        found.append(len(batch))
        limit.units *= 2
    assert found == [2, 4, 8, 6]


def test_ahead_keeps_the_order_and_works_on_other_threads() -> None:
    main = threading.get_ident()

    def make(item: int) -> tuple[int, bool]:
        return item * item, threading.get_ident() != main

    made = list(prefetch(list(range(20)), make, workers=3))
    assert made == [(item, (item * item, True)) for item in range(20)]


def test_ahead_does_not_run_further_ahead_than_its_workers() -> None:
    started: list[int] = []
    work = prefetch(list(range(50)), lambda item: started.append(item), workers=2)
    next(work)
    assert len(started) <= 3
    work.close()


def test_ahead_hands_an_error_to_the_caller() -> None:
    def make(item: int) -> int:
        if item == 3:
            raise KeyError(item)
        return item

    got: list[int] = []
    with pytest.raises(KeyError):
        got.extend(item for item, _ in prefetch(list(range(6)), make, workers=1))
    assert list(prefetch([], make, workers=1)) == []
