"""Batches of captions of similar length, to minimise padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

ENOUGH_TOKENS = 32_768
"""Padded tokens at which larger batches no longer make a GPU faster."""


class TokenLimit(Protocol):
    """How many padded tokens the next batch may have; it may change between batches."""

    @property
    def units(self) -> int:
        """The number of tokens."""
        ...


def length_sorted(lengths: npt.NDArray[np.int64], limit: TokenLimit) -> Iterator[range]:
    """Group captions, sorted by length `[n]`, into batches of at most so many padded tokens.

    A caption that is longer than the limit makes a batch of its own. A batch that is large enough
    for any device ends before the next longer caption, because padding would cost more than it.
    """
    start = 0
    while start < len(lengths):
        most = max(1, limit.units // int(lengths[start]))  # the others are no shorter
        tokens = lengths[start : start + most] * np.arange(1, len(lengths[start:][:most]) + 1)
        size = max(1, int(np.searchsorted(tokens, limit.units, side="right")))
        enough = int(np.searchsorted(tokens[:size], ENOUGH_TOKENS))
        if enough < size:
            longest = lengths[start + enough]
            size = min(size, int(np.searchsorted(lengths[start:], longest, side="right")))
        yield range(start, start + size)
        start += size
