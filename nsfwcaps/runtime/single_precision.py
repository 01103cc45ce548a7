"""Products of single-precision tensors without TF32, whatever the rest of the process allows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Setting:
    """State of `single_precision`: callers inside, and torch's setting before the first."""

    lock = threading.Lock()
    inside = 0
    before = "highest"


@contextmanager
def single_precision() -> Iterator[None]:
    """Keep tensor cores from rounding single-precision factors to TF32.

    torch has one setting for the process. Several threads may be inside; the last to leave
    restores what the first one found.
    """
    import torch

    with _Setting.lock:
        if not _Setting.inside:
            _Setting.before = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision("highest")
        _Setting.inside += 1
    try:
        yield
    finally:
        with _Setting.lock:
            _Setting.inside -= 1
            if not _Setting.inside:
                torch.set_float32_matmul_precision(_Setting.before)
