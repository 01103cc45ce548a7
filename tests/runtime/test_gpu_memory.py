"""Free memory of a GPU: that of the driver and of torch's cache."""

from __future__ import annotations

import pytest
import torch

from nsfwcaps.metrics import tiles
from nsfwcaps.runtime.batch_size import CudaMemory
from nsfwcaps.runtime.gpu_memory import free_bytes


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU with 2 GiB that nobody has; torch holds 3 GiB and uses 1 GiB of it."""
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda gpu: (2 * 2**30, 80 * 2**30))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda gpu: 3 * 2**30)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda gpu=None: 2**30)


def test_what_torch_keeps_unused_is_free() -> None:
    assert free_bytes() == CudaMemory().free() == 4 * 2**30


def test_tiles_count_it() -> None:
    class Rows:
        is_cuda, device = True, torch.device("cuda")

        def __len__(self) -> int:
            return 10**6

    # An eighth of 4 GiB holds 2**27 similarities.
    assert tiles._shape(Rows(), Rows()) == (8192, 2**27 // 8192)
