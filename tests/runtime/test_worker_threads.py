"""Threads for small pieces of work leave torch's own as they were."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from nsfwcaps.runtime.worker_threads import team_size, worker_threads


@pytest.fixture(autouse=True)
def team_of_three() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def threads_of_a_new_thread() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize(("alone", "inside"), [(True, 1), (False, 3)])
def test_threads_compute_alone_only_inside(alone: bool, inside: int) -> None:
    with worker_threads(2, alone=alone) as pool:
        assert pool.submit(torch.get_num_threads).result() == inside
        assert threads_of_a_new_thread() == 3
    assert torch.get_num_threads() == threads_of_a_new_thread() == 3


def test_work_that_has_not_begun_is_dropped_after_an_error() -> None:
    go, done = threading.Event(), []

    def stop_early() -> None:
        with worker_threads(1, alone=True) as pool:
            pool.submit(go.wait)
            pool.submit(done.append, 1)
            threading.Timer(0.2, go.set).start()
            raise KeyError

    with pytest.raises(KeyError):
        stop_early()
    assert done == []
    assert threads_of_a_new_thread() == 3


def test_pools_of_two_threads_overlap() -> None:
    teams: list[int] = []
    leave = threading.Event()

    def other() -> None:
        teams.append(team_size())
        with worker_threads(2, alone=True) as pool:
            teams.append(pool.submit(torch.get_num_threads).result())
            begun.set()
            leave.wait(10)
        teams.append(team_size())

    begun = threading.Event()
    with worker_threads(2, alone=True) as pool:
        pool.submit(torch.get_num_threads).result()
        thread = threading.Thread(target=other)
        thread.start()
        assert begun.wait(10)
    leave.set()
    thread.join()
    assert teams == [3, 1, 3]
    assert team_size() == threads_of_a_new_thread() == 3
