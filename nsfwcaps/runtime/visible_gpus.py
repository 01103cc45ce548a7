"""Which GPUs a process sees: each worker is given one of its own."""

from __future__ import annotations

import os


def see_only(gpu: int) -> None:
    """Hide the other GPUs from this process, before it uses CUDA: all its threads use this one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[gpu] if visible else str(gpu)
