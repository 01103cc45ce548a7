"""Batches of captions of similar length, to minimise padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt


class TokenLimit(Protocol):
    """How many padded tokens the next batch may have; it may change between batches."""

    @property
    def units(self) -> int:
        """The number of tokens."""
        ...


def length_sorted(lengths: npt.NDArray[np.int64], limit: TokenLimit) -> Iterator[range]:
    """Group captions, sorted by length `[n]`, into batches of at most so many padded tokens.

    A caption that is longer than the limit makes a batch of its own.
    """
    start = 0
    while start < len(lengths):
        most = max(1, limit.units // int(lengths[start]))  # the others are no shorter
        tokens = lengths[start : start + most] * np.arange(1, len(lengths[start:][:most]) + 1)
        stop = start + max(1, int(np.searchsorted(tokens, limit.units, side="right")))
        yield range(start, stop)
        start = stop
