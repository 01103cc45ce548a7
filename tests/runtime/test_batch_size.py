"""Sizes of batches: given, found, halved."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nsfwcaps.errors import DeviceError
from nsfwcaps.runtime.batch_size import BatchSize


class Device:
    """A device with so many free bytes, on which an item takes so many."""

    def __init__(self, free: int, each: int = 10) -> None:
        self.room, self.each = free, each
        self.sizes: list[int] = []
        self.released = 0
        self._peak = 0

    def watch(self) -> None:
        self._peak = 0

    def taken(self) -> int:
        return self._peak

    def free(self) -> int:
        return self.room

    def release(self) -> None:
        self.released += 1

    def double(self, batch: np.ndarray) -> np.ndarray:
        self.sizes.append(len(batch))
        if self.each * len(batch) > self.room:
            raise torch.OutOfMemoryError("full")
        self._peak = max(self._peak, self.each * len(batch))
        return batch * 2


def found(device: Device, *, usual: int = 4, most: int = 1000) -> BatchSize:
    return BatchSize(None, usual=usual, most=most, memory=device, option="--batch-images")


def doubled(size: BatchSize, device: Device, count: int) -> list[int]:
    """Double the numbers 0 to n - 1 in batches; every part's result is its own."""
    out: list[int] = []
    while len(out) < count:
        batch = np.arange(len(out), min(count, len(out) + size.units))
        for part, result in size.compute(batch, len(batch), device.double):
            assert result.tolist() == (part * 2).tolist()
            out += result.tolist()
    return out


def test_batches_grow_eightfold_up_to_a_safe_share_of_the_memory() -> None:
    device = Device(free=10_000)
    assert doubled(found(device), device, 1600) == list(range(0, 3200, 2))
    assert device.sizes[:3] == [4, 32, 256]
    assert set(device.sizes[3:-1]) == {600}  # 0.6 of 10,000 bytes at 10 each
    assert device.released == 0


def test_no_batch_is_larger_than_the_cap() -> None:
    device = Device(free=10**9)
    doubled(found(device, most=100), device, 500)
    assert device.sizes[:4] == [4, 32, 100, 100]


def test_where_little_memory_is_free_batches_shrink() -> None:
    device = Device(free=50)
    assert doubled(found(device), device, 12) == list(range(0, 24, 2))
    assert device.sizes == [4, 3, 3, 2]


def test_without_a_device_to_measure_the_usual_size_stays() -> None:
    device = Device(free=10**9)
    size = BatchSize(None, usual=5, most=1000, memory=None, option="--batch-images")
    doubled(size, device, 12)
    assert device.sizes == [5, 5, 2]


def test_a_given_size_does_not_grow() -> None:
    device = Device(free=10**9)
    size = BatchSize(7, usual=5, most=1000, memory=device, option="--batch-images")
    doubled(size, device, 15)
    assert device.sizes == [7, 7, 1]


@pytest.mark.parametrize("memory", [True, False])
def test_a_batch_that_does_not_fit_is_done_in_halves_and_later_ones_are_smaller(
    memory: bool,
) -> None:
    device = Device(free=60)
    size = BatchSize(
        16, usual=5, most=1000, memory=device if memory else None, option="--batch-images"
    )
    assert doubled(size, device, 30) == list(range(0, 60, 2))
    # 16 and 8 do not fit, 4 does: from then on, no batch is larger than 4.
    assert device.sizes == [16, 8, 4, 4, 4, 4, 4, 4, 4, 2]
    assert size.units == 4
    assert device.released == (2 if memory else 0)


def test_growth_ends_when_memory_was_too_small_once() -> None:
    device = Device(free=10_000)
    size = found(device)
    doubled(size, device, 36)  # 4, then 32
    device.room = 1000  # another program took the rest
    doubled(size, device, 256)
    assert size.units == 64
    device.room = 10**6
    assert size.units == 64
    doubled(size, device, 200)
    assert max(device.sizes[-3:]) == 64


def test_the_units_of_a_part_are_its_share() -> None:
    """Captions of 10 tokens: halves of a batch of 80 tokens have 40."""
    device = Device(free=40)
    size = BatchSize(80, usual=5, most=1000, memory=None, option="--batch-tokens")
    parts = [len(part) for part, _ in size.compute(np.arange(8), 80, device.double)]
    assert parts == [4, 4]
    assert size.units == 40


def test_a_batch_of_one_that_does_not_fit_ends_the_run_with_advice() -> None:
    device = Device(free=5)
    size = BatchSize(4, usual=5, most=1000, memory=None, option="--batch-tokens")
    with pytest.raises(
        DeviceError, match=r"batch of one, which no lower --batch-tokens .*--device"
    ):
        list(size.compute(np.arange(4), 4, device.double))
    assert device.sizes == [4, 2, 1]


def test_other_errors_pass() -> None:
    def broken(batch: np.ndarray) -> None:
        raise RuntimeError("shapes")

    size = BatchSize(4, usual=5, most=1000, memory=None, option="--batch-tokens")
    with pytest.raises(RuntimeError, match="shapes"):
        list(size.compute(np.arange(4), 4, broken))


def test_sizes_on_a_cpu_are_todays() -> None:
    assert BatchSize.of_tokens(None, "cpu").units == 4096
    assert BatchSize.of_images(None, "cpu").units == 32
    assert BatchSize.of_tokens(77, "cpu").units == 77
