"""Advice when a device runs out of memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nsfwcaps.errors import DeviceError


@contextmanager
def memory_advice(option: str) -> Iterator[None]:
    """Turn an out-of-memory error into advice.

    Raises:
        DeviceError: names the option to lower.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError:
        raise DeviceError(
            f"the device ran out of memory; lower {option} and run the same command again: "
            "finished shards are kept"
        ) from None
