"""Rows of the frozen model are the same wherever they are kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nsfwcaps.training.frozen_rows import FrozenRows

TEXT = torch.arange(8.0).view(4, 2)
IMAGE = 100 + torch.arange(6.0).view(3, 2)


class Free:
    """Memory of a device with so many bytes left."""

    def __init__(self, free: int) -> None:
        self._free = free

    def watch(self) -> None: ...

    def taken(self) -> int:
        return 0

    def free(self) -> int:
        return self._free

    def release(self) -> None: ...


def test_rows_are_those_of_their_numbers() -> None:
    numbers = np.array([[3, 0], [1, 1]]), np.array([[2, 0], [0, 1]])
    text, image = FrozenRows(TEXT, IMAGE, "cpu").of(*numbers)
    assert text.tolist() == [[[6, 7], [0, 1]], [[2, 3], [2, 3]]]
    assert image.tolist() == [[[104, 105], [100, 101]], [[100, 101], [102, 103]]]


@pytest.mark.parametrize(("free", "device"), [(559, "cpu"), (560, "meta")])
def test_rows_that_take_a_tenth_of_the_memory_go_to_the_device(free: int, device: str) -> None:
    """Seven rows of two numbers are 56 bytes; torch's meta device takes the place of a GPU."""
    rows = FrozenRows(TEXT, IMAGE, "meta", Free(free))
    assert rows.text.device.type == rows.image.device.type == device
    found = rows.of(np.array([0, 1]), np.array([2, 2]))
    assert [(item.device.type, tuple(item.shape)) for item in found] == [("meta", (2, 2))] * 2
