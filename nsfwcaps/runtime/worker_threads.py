"""Threads for many small pieces of work."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial


@contextmanager
def worker_threads(count: int, *, alone: bool) -> Iterator[ThreadPoolExecutor]:
    """Provide so many threads; on leaving, pieces that have not begun are dropped.

    With `alone`, torch's operators run on the thread that calls them, because small ones gain
    nothing from a team of threads each. Elsewhere, math libraries may compute on one thread too
    until the block is left.
    """
    import torch

    teams = torch.get_num_threads()
    start = partial(torch.set_num_threads, 1) if alone else None
    pool = ThreadPoolExecutor(count, initializer=start)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        if alone:
            torch.set_num_threads(teams)  # also the default of threads that start later
