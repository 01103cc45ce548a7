"""Free memory of a GPU."""

from __future__ import annotations

from typing import Any


def free_bytes(gpu: Any = None) -> int:
    """Return what the driver and torch's own cache have free on a GPU, by default the current one.

    torch keeps the memory of freed tensors, which the driver counts as taken.
    """
    import torch

    free, _ = torch.cuda.mem_get_info(gpu)
    return free + torch.cuda.memory_reserved(gpu) - torch.cuda.memory_allocated(gpu)
