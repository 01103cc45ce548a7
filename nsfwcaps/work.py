"""The split of a task's time by kind of work, which tells what limits it."""

from __future__ import annotations

import enum
import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Work(enum.StrEnum):
    """A kind of work, in the order in which rows pass through it."""

    READ = "read"
    PREPARE = "prepare"
    COMPUTE = "compute"
    WRITE = "write"


class WorkSplit:
    """Busy seconds of each kind of work; safe to use from several threads.

    Kinds of work on different threads overlap, so their shares of the elapsed time do not add up
    to 1. A share near 1 is of the work that limits the task.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: dict[Work, float] = {}
        self._running: dict[int, tuple[Work, float, int]] = {}
        self._numbers = itertools.count()

    @contextmanager
    def timed(self, work: Work, workers: int = 1) -> Iterator[None]:
        """Count the time of the block, divided by the number of workers that share this work."""
        number = next(self._numbers)
        with self._lock:
            self._running[number] = work, time.monotonic(), workers
        try:
            yield
        finally:
            with self._lock:
                _, start, _ = self._running.pop(number)
                self._add(work, (time.monotonic() - start) / workers)

    def add(self, work: Work, seconds: float, workers: int = 1) -> None:
        """Count seconds that were measured elsewhere, such as in another process."""
        with self._lock:
            self._add(work, seconds / workers)

    def busy(self) -> dict[Work, float]:
        """Return the seconds of each kind so far, with blocks that still run; idle kinds left out.

        The order is that of `Work`.
        """
        with self._lock:
            now, found = time.monotonic(), dict(self._done)
            for work, start, workers in self._running.values():
                found[work] = found.get(work, 0.0) + (now - start) / workers
        return {work: found[work] for work in Work if work in found}

    def _add(self, work: Work, seconds: float) -> None:
        self._done[work] = self._done.get(work, 0.0) + seconds


def shares_line(busy: Mapping[Work, float], before: Mapping[Work, float], elapsed: float) -> str:
    """Format the shares of the elapsed seconds since `before`; kinds with none are left out.

    >>> shares_line({Work.READ: 0.5, Work.COMPUTE: 9.3}, {Work.READ: 0.3}, 10.0)
    'read 2 %, compute 93 %'
    """
    spent = {work: seconds - before.get(work, 0.0) for work, seconds in busy.items()}
    return ", ".join(
        f"{work} {seconds / max(elapsed, 1e-9):.0%}".replace("%", " %")
        for work, seconds in spent.items()
        if seconds > 0
    )
