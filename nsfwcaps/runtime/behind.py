"""Work done behind, on a thread: in order, and never far behind."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

Made = TypeVar("Made")


class Later(Protocol):
    """Hands over work."""

    def __call__(self, work: Callable[[], Made], /) -> Future[Made]:
        """Do the work after all that was handed over before."""
        ...


@contextmanager
def behind(most: int) -> Iterator[Later]:
    """Hand over work to a thread; at most so many pieces wait, then the caller waits too.

    On leaving, also by an error, what was handed over is done first. An error of the work itself is
    raised at the next piece or on leaving, and the pieces after it are left out.
    """
    waiting: deque[Future[Any]] = deque()
    failed = threading.Event()

    def unless_failed(work: Callable[[], Made]) -> Made:
        if failed.is_set():
            raise CancelledError
        try:
            return work()
        except BaseException:
            failed.set()
            raise

    def later(work: Callable[[], Made]) -> Future[Made]:
        while len(waiting) > most or (waiting and waiting[0].done()):
            waiting.popleft().result()
        future = pool.submit(unless_failed, work)
        waiting.append(future)
        return future

    with ThreadPoolExecutor(max_workers=1) as pool:  # waits for its work on leaving
        yield later
        for future in waiting:
            future.result()
