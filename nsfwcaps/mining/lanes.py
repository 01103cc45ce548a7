"""Work spread over lanes: one thread for each device, results in the order of the tasks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2
"""Results of a lane that may wait for the caller."""


def spread(
    tasks: Sequence[tuple[int, T]], work: Callable[[int, T], R], *, lanes: int, threads: bool
) -> Generator[tuple[T, Callable[[], R]], None, None]:
    """Yield each (lane, task) in order, with a call that returns its result.

    With `threads`, each lane works ahead of the caller on a thread of its own, on its tasks in
    their order. Otherwise the call itself does the work.
    """
    if not threads:
        for lane, task in tasks:
            yield task, lambda lane=lane, task=task: work(lane, task)  # type: ignore[misc]
        return
    waiting: deque[tuple[T, Future[R]]] = deque()
    with ExitStack() as stack:
        pools = [ThreadPoolExecutor(1) for _ in range(lanes)]
        for pool in pools:
            stack.callback(pool.shutdown, cancel_futures=True)
        for lane, task in tasks:
            waiting.append((task, pools[lane].submit(work, lane, task)))
            if len(waiting) > _AHEAD * lanes:
                first, future = waiting.popleft()
                yield first, future.result
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result
