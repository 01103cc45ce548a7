"""Rates by repetition."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 0.5
"""Time for one rate: enough for two digits, and for all of them within ten seconds."""


def rate(work: Callable[[], None], amount: float, *, seconds: float | None = None) -> float:
    """Return how much is done per second by repeating work of an amount, after one warm-up."""
    work()
    start, runs = time.perf_counter(), 0
    while True:
        work()
        runs += 1
        spent = time.perf_counter() - start
        if spent >= (SECONDS if seconds is None else seconds):
            return amount * runs / spent
