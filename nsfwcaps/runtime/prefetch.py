"""Prefetching on threads, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def prefetch(
    items: Iterable[Item],
    make: Callable[[Item], Made],
    workers: int,
) -> Generator[tuple[Item, Made], None, None]:
    """Yield (item, `make(item)`) in order, computing at most `workers` + 1 results in advance."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        pending: deque[tuple[Item, Future[Made]]] = deque()
        for item in items:
            pending.append((item, pool.submit(make, item)))
            if len(pending) > workers:
                first, future = pending.popleft()
                yield first, future.result()
        for first, future in pending:
            yield first, future.result()
