"""Freed memory is kept while a model computes on the CPU, and handed back after."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nsfwcaps.runtime import allocator

LOOP = """
import resource, sys
import torch
from nsfwcaps.runtime.allocator import kept_memory
torch.set_num_threads(1)
with kept_memory(sys.argv[1]):
    for _ in range(3):
        torch.zeros(24_000_000).add(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.zeros(24_000_000).add(1)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(device: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", LOOP, device], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(allocator._glibc() is None, reason="needs glibc")
def test_pages_are_not_cleared_again_and_again() -> None:
    assert page_faults("cpu") < page_faults("cuda") / 5


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_glibc", lambda: None)
    with allocator.kept_memory("cpu"):
        pass


def test_thresholds_are_set_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[int, int]] = []

    class Library:
        def mallopt(self, name: int, value: int) -> int:
            said.append((name, value))
            return 1

        def malloc_trim(self, pad: int) -> int:
            return 1

    monkeypatch.setattr(allocator, "_glibc", Library)
    with pytest.raises(ValueError, match="stop"), allocator.kept_memory("cpu"):
        raise ValueError("stop")
    assert [name for name, _ in said] == [-3, -1, -3, -1]
    assert said[2][1] < said[0][1]
    assert said[3][1] < said[1][1]
