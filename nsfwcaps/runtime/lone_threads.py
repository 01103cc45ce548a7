"""Threads on which torch computes alone, while all others keep their number of threads.

torch counts per thread (OpenMP), but setting a count also sets the default, which a thread takes
when it first asks.
"""

from __future__ import annotations

import threading

_setting = threading.Lock()


def compute_alone() -> None:
    """Keep torch's operators on the calling thread, which must be new to torch.

    An initializer for the threads of a pool. The default for later threads stays as it was.
    """
    import torch

    with _setting:
        default = torch.get_num_threads()
        torch.set_num_threads(1)
        # Only another thread can set the default back without a change for this one.
        restore = threading.Thread(target=torch.set_num_threads, args=(default,))
        restore.start()
        restore.join()


def team_size() -> int:
    """Return the number of threads that torch computes on when called from this thread."""
    import torch

    with _setting:  # a new thread would take the 1 of a thread that starts
        return int(torch.get_num_threads())
