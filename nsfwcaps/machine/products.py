"""Floating-point operations per second in matrix products, the limit of a device."""

from __future__ import annotations

from nsfwcaps.enums import Precision
from nsfwcaps.machine.timing import rate
from nsfwcaps.runtime.device import torch_dtype

_SIDE = {"cpu": 1024, "cuda": 8192}
"""Large enough that the arithmetic takes all of the time."""
_REPEATS = {"cpu": 1, "cuda": 10}


def products(device: str, precision: Precision, *, side: int | None = None) -> float:
    """Measure square matrix products on `cpu` or `cuda`; single precision without TF32."""
    import torch

    side = side or _SIDE[device]
    one, out = (torch.ones(side, side, dtype=torch_dtype(precision), device=device) for _ in "ab")

    def work() -> None:
        for _ in range(_REPEATS[device]):
            torch.mm(one, one, out=out)
        if device == "cuda":
            torch.cuda.synchronize()

    return rate(work, _REPEATS[device] * 2 * side**3)


def copying(device: str, *, size: int = 2**28) -> float | None:
    """Measure bytes per second from pinned memory to a GPU; None for a CPU."""
    import torch

    if device == "cpu":
        return None
    there = torch.empty(size, dtype=torch.uint8, device=device)
    here = torch.empty(size, dtype=torch.uint8, pin_memory=True)

    def work() -> None:
        there.copy_(here, non_blocking=True)
        torch.cuda.synchronize()

    return rate(work, size)
