"""Work on lanes: results in the order of the tasks, errors passed on, not too far ahead."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from nsfwcaps.mining.lanes import spread

TASKS = [(number % 3, number) for number in range(20)]


@pytest.mark.parametrize("threads", [False, True])
def test_results_come_in_the_order_of_the_tasks(threads: bool) -> None:
    used: dict[int, set[int]] = {}

    def work(lane: int, task: int) -> int:
        used.setdefault(lane, set()).add(threading.get_ident())
        return 100 * lane + task

    found = [(task, result()) for task, result in spread(TASKS, work, lanes=3, threads=threads)]
    assert found == [(number, 100 * (number % 3) + number) for number in range(20)]
    own = {ident for idents in used.values() for ident in idents}
    assert len(own) == (3 if threads else 1)
    assert all(len(idents) == 1 for idents in used.values())
    assert (threading.get_ident() in own) is not threads


@pytest.mark.parametrize("threads", [False, True])
def test_an_error_arrives_with_its_task_and_the_rest_is_not_done(threads: bool) -> None:
    done: list[int] = []

    def work(lane: int, task: int) -> int:
        if task == 4:
            raise ValueError(task)
        done.append(task)
        return task

    got = []
    with (
        pytest.raises(ValueError, match="4"),
        closing(spread(TASKS, work, lanes=3, threads=threads)) as found,
    ):
        got.extend(result() for _, result in found)
    assert got == [0, 1, 2, 3]
    assert max(done) <= 4 + 3 * 2


def test_lanes_do_not_run_far_ahead_of_the_caller() -> None:
    started = threading.Semaphore(0)

    def work(lane: int, task: int) -> int:
        started.release()
        return task

    with closing(spread([(0, n) for n in range(9)], work, lanes=1, threads=True)) as found:
        next(found)
        for _ in range(3):
            assert started.acquire(timeout=10)
        assert not started.acquire(timeout=0.2)
