"""Threads for many small pieces of work.

torch counts its threads per thread (OpenMP). Setting a count also sets the default, which a thread
takes when it first asks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

_default_changes = threading.Lock()


@contextmanager
def worker_threads(count: int, *, alone: bool) -> Iterator[ThreadPoolExecutor]:
    """Provide so many threads; on leaving, pieces that have not begun are dropped.

    With `alone`, torch's operators run on the thread that calls them, because small ones gain
    nothing from a team of threads each. All other threads keep their number.
    """
    pool = ThreadPoolExecutor(count, initializer=_compute_alone if alone else None)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def team_size() -> int:
    """Return the number of threads that torch computes on when called from this thread."""
    import torch

    with _default_changes:  # a new thread would take the 1 of a worker that starts
        return int(torch.get_num_threads())


def _compute_alone() -> None:
    """Keep torch's operators on the calling thread, a new one."""
    import torch

    with _default_changes:
        default = torch.get_num_threads()
        torch.set_num_threads(1)
        # Only in another thread can the default be set back without a change for this one.
        restore = threading.Thread(target=torch.set_num_threads, args=(default,))
        restore.start()
        restore.join()
