"""Resolution of device and number format. Never falls back from an explicit request."""

from __future__ import annotations

from typing import Any

from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, DeviceError


def torch_device(asked: Device) -> str:
    """Resolve a device to `cpu` or `cuda`.

    Raises:
        DeviceError: CUDA was requested and torch finds none.
    """
    import torch

    if asked is Device.CPU:
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if asked is Device.CUDA:
        raise DeviceError(
            "device=cuda was requested, but torch finds no CUDA device; run 'nsfwcaps doctor' "
            "to see why, or use --device cpu"
        )
    return "cpu"


def resolve_precision(asked: Precision, device: str) -> Precision:
    """Resolve `auto` to half precision if the device supports it, otherwise to single precision.

    Raises:
        ConfigError: fp16 was requested on a CPU, which lacks kernels for it.
    """
    import torch

    if asked is Precision.FP16 and device == "cpu":
        raise ConfigError("precision=fp16 needs a GPU; use fp32 or bf16 with --device cpu")
    if asked is not Precision.AUTO:
        return asked
    if device == "cpu":
        return Precision.FP32
    return Precision.BF16 if torch.cuda.is_bf16_supported() else Precision.FP16


def torch_dtype(precision: Precision) -> Any:
    """Return the torch dtype of a resolved number format."""
    import torch

    return {
        Precision.FP32: torch.float32,
        Precision.FP16: torch.float16,
        Precision.BF16: torch.bfloat16,
    }[precision]
