"""Which device and number format an encoder uses, and why. Never another than was asked for."""

from __future__ import annotations

from typing import Any

from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, DeviceError


def torch_device(asked: Device) -> str:
    """`cpu` or `cuda`.

    Raises:
        DeviceError: CUDA was asked for and torch sees none.
    """
    import torch

    if asked is Device.CPU:
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if asked is Device.CUDA:
        raise DeviceError(
            "device=cuda was asked for and torch sees no CUDA device; "
            "'nsfwcaps doctor' says why. Use --device cpu to compute without one"
        )
    return "cpu"


def resolve_precision(asked: Precision, device: str) -> Precision:
    """Half precision where the device has it, single elsewhere.

    Raises:
        ConfigError: fp16 on a CPU, whose kernels lack it.
    """
    import torch

    if asked is Precision.FP16 and device == "cpu":
        raise ConfigError("precision=fp16 needs a GPU; use fp32, or bf16, with --device cpu")
    if asked is not Precision.AUTO:
        return asked
    if device == "cpu":
        return Precision.FP32
    return Precision.BF16 if torch.cuda.is_bf16_supported() else Precision.FP16


def torch_dtype(precision: Precision) -> Any:
    """Return torch's name of a number format; `auto` has been resolved."""
    import torch

    return {
        Precision.FP32: torch.float32,
        Precision.FP16: torch.float16,
        Precision.BF16: torch.bfloat16,
    }[precision]
