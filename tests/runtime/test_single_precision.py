"""TF32 is off while anyone is inside; then the user's setting is back."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from nsfwcaps.runtime.single_precision import single_precision


@pytest.fixture(autouse=True)
def medium() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


def test_the_last_to_leave_restores_the_setting() -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with single_precision():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with single_precision():
        thread.start()
        assert inside.wait(10)
    assert torch.get_float32_matmul_precision() == "highest"  # the other multiplies
    leave.set()
    thread.join()
    assert torch.get_float32_matmul_precision() == "medium"


def test_an_error_restores_the_setting() -> None:
    with pytest.raises(KeyError), single_precision():
        raise KeyError
    assert torch.get_float32_matmul_precision() == "medium"
