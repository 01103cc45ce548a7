"""Work done behind, on a thread: in order, and never far behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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

    def later(work: Callable[[], Made]) -> Future[Made]:
        while len(waiting) > most or (waiting and waiting[0].done()):
            waiting.popleft().result()
        future = pool.submit(work)
        waiting.append(future)
        return future

    with ThreadPoolExecutor(max_workers=1) as pool:  # waits for its work on leaving
        yield later
        try:
            for future in waiting:
                future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
