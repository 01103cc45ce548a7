"""Work done behind on a thread."""

from __future__ import annotations

import threading
import time

import pytest

from nsfwcaps.runtime.behind import behind


def test_work_is_done_in_order_on_another_thread() -> None:
    done: list[int] = []

    def work(number: int) -> int:
        time.sleep(0.001 * (5 - number % 5))
        done.append(number)
        return threading.get_ident()

    with behind(2) as later:
        futures = [later(lambda n=number: work(n)) for number in range(12)]
    assert done == list(range(12))
    assert {future.result() for future in futures} != {threading.get_ident()}
    assert len({future.result() for future in futures}) == 1


def test_the_caller_waits_when_too_much_waits() -> None:
    gate, started = threading.Event(), threading.Semaphore(0)
    handed: list[int] = []

    def hand_over() -> None:
        with behind(2) as later:
            for number in range(10):
                later(gate.wait)
                handed.append(number)
                started.release()

    thread = threading.Thread(target=hand_over)
    thread.start()
    for _ in range(3):  # one at work, two waiting
        started.acquire()
    time.sleep(0.05)
    assert len(handed) == 3
    gate.set()
    thread.join()
    assert len(handed) == 10


def test_an_error_behind_ends_the_work_and_what_follows_is_left_out() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 2:
            raise OSError("disk full")
        done.append(number)

    def hand_over() -> None:
        with behind(2) as later:
            for number in range(50):
                later(lambda n=number: work(n))

    with pytest.raises(OSError, match="disk full"):
        hand_over()
    assert done == [0, 1]


def test_an_error_behind_is_raised_on_leaving() -> None:
    with pytest.raises(OSError, match="disk full"), behind(5) as later:
        later(lambda: (_ for _ in ()).throw(OSError("disk full")))


def test_after_an_error_in_front_what_was_handed_over_is_done() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.01)
        done.append(number)

    def hand_over() -> None:
        with behind(5) as later:
            for number in range(3):
                later(lambda n=number: work(n))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hand_over()
    assert done == [0, 1, 2]
