"""Exact inner products: what they leave behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from nsfwcaps.vectors.exact import one_thread


@pytest.fixture(autouse=True)
def _three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_one_thread_is_given_back_in_every_thread() -> None:
    """Two callers overlap: the first to enter is the first to leave, the second the last."""
    inside, left = threading.Event(), threading.Event()
    after: list[int] = []

    def other() -> None:
        torch.set_num_threads(2)
        with one_thread():
            inside.set()
            assert left.wait(10)
            after.append(torch.get_num_threads())
        after.append(torch.get_num_threads())

    thread = threading.Thread(target=other)
    with one_thread():
        thread.start()
        assert inside.wait(10)
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3
    left.set()
    thread.join(10)
    assert after == [1, 2]


def test_a_thread_that_starts_meanwhile_gets_the_usual_number() -> None:
    after: list[int] = []

    def other() -> None:
        with one_thread():
            pass
        after.append(torch.get_num_threads())

    with one_thread():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(10)
    assert after == [3]
    assert torch.get_num_threads() == 3


def test_one_thread_may_be_nested() -> None:
    with one_thread():
        with one_thread():
            pass
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3
