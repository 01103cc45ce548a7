"""Whether nsfwcaps can run here, and on what."""

from __future__ import annotations

from collections.abc import Mapping

READY = "ready"
"""Begins the verdict if nothing is missing."""

ALTERNATIVES = ("faiss-gpu", "faiss-cpu")
"""Either is enough: both offer the same module."""


def shown(packages: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the packages without those whose alternative is installed."""
    has_one = any(packages.get(name) for name in ALTERNATIVES)
    return {
        name: version
        for name, version in packages.items()
        if version or not (has_one and name in ALTERNATIVES)
    }


def verdict(packages: Mapping[str, str | None], *, torch_device: str, faiss_device: str) -> str:
    """Say in one line whether all works, given versions (None: not installed) and devices."""
    absent = [name for name, version in packages.items() if version is None]
    if absent:
        return f"not ready: {', '.join(absent)} not installed; run pip install nsfwcaps"
    on_gpu = [where.startswith("cuda") for where in (torch_device, faiss_device)]
    if all(on_gpu):
        return f"{READY}: models and search run on the GPU"
    if not any(on_gpu):
        return f"{READY}: everything runs on the {torch_device}"
    if on_gpu[0]:
        return f"{READY}: models run on the GPU, search on the {faiss_device}"
    return f"{READY}: search runs on the GPU, models on the {torch_device}"
