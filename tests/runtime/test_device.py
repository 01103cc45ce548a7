"""The device and the number format that were asked for, or an error; never another."""

from __future__ import annotations

import pytest
import torch

from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, DeviceError
from nsfwcaps.runtime.device import resolve_precision, torch_device


def test_cuda_where_there_is_none_is_an_error_and_never_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="torch finds no CUDA device"):
        torch_device(Device.CUDA)
    assert torch_device(Device.AUTO) == "cpu"
    assert torch_device(Device.CPU) == "cpu"


def test_auto_takes_the_gpu_and_cpu_stays_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert torch_device(Device.AUTO) == "cuda"
    assert torch_device(Device.CUDA) == "cuda"
    assert torch_device(Device.CPU) == "cpu"


@pytest.mark.parametrize("has_bf16", [True, False])
def test_auto_precision_is_half_where_the_device_has_it(
    monkeypatch: pytest.MonkeyPatch, has_bf16: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bf16)
    half = Precision.BF16 if has_bf16 else Precision.FP16
    assert resolve_precision(Precision.AUTO, "cuda") is half
    assert resolve_precision(Precision.AUTO, "cpu") is Precision.FP32


def test_a_named_precision_is_kept_and_fp16_on_a_cpu_refused() -> None:
    assert resolve_precision(Precision.FP32, "cuda") is Precision.FP32
    assert resolve_precision(Precision.FP16, "cuda") is Precision.FP16
    assert resolve_precision(Precision.BF16, "cpu") is Precision.BF16
    with pytest.raises(ConfigError, match="fp16 needs a GPU"):
        resolve_precision(Precision.FP16, "cpu")
