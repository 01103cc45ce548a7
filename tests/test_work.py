"""The split of a task's time: overlapping threads, blocks that still run, workers."""

from __future__ import annotations

import threading

import pytest

from nsfwcaps import work
from nsfwcaps.work import Work, WorkSplit, shares_line


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(work.time, "monotonic", lambda: now[0])
    return now


def test_blocks_are_divided_by_the_workers_and_idle_kinds_left_out(clock: list[float]) -> None:
    split = WorkSplit()
    with split.timed(Work.COMPUTE):
        clock[0] += 3
    with split.timed(Work.READ, workers=4):
        clock[0] += 2
    with split.timed(Work.COMPUTE):
        clock[0] += 1
    assert list(split.busy().items()) == [(Work.READ, 0.5), (Work.COMPUTE, 4.0)]


def test_a_block_that_still_runs_counts(clock: list[float]) -> None:
    split = WorkSplit()
    with split.timed(Work.COMPUTE):
        clock[0] += 2
        with split.timed(Work.WRITE):
            clock[0] += 1
            assert split.busy() == {Work.COMPUTE: 3.0, Work.WRITE: 1.0}
    assert split.busy() == {Work.COMPUTE: 3.0, Work.WRITE: 1.0}


def test_a_block_that_fails_counts(clock: list[float]) -> None:
    split = WorkSplit()

    def fail() -> None:
        with split.timed(Work.READ):
            clock[0] += 2
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    clock[0] += 5
    assert split.busy() == {Work.READ: 2.0}


def test_threads_lose_nothing() -> None:
    split = WorkSplit()

    def count() -> None:
        for _ in range(2000):
            split.add(Work.PREPARE, 1.0, workers=2)
            with split.timed(Work.READ):
                pass

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert split.busy()[Work.PREPARE] == 4000.0


def test_shares_since_before() -> None:
    busy = {Work.READ: 7.0, Work.COMPUTE: 9.96, Work.WRITE: 2.0}
    assert shares_line(busy, {Work.READ: 5.0, Work.WRITE: 2.0}, 10.0) == "read 20 %, compute 100 %"
    assert shares_line({}, {}, 0.0) == ""
