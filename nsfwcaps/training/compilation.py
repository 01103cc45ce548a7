"""Compilation of the towers by `torch.compile`: fewer launches, after minutes of compiling.

Every length of captions is compiled for itself, so batches are padded to a few lengths
(`PADDED_TO`). Sums are taken in another order: the last bits of the numbers change.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from nsfwcaps.errors import ConfigError, first_line
from nsfwcaps.training.inputs import Encoders

PADDED_TO = 8
"""Captions of a batch are as long as the next multiple of this."""

# Lengths up to a context of 77 tokens, with and without a gradient, and parts of two sizes. Beyond
# the limit, torch runs the tower uncompiled.
_SHAPES = 64


def check_compiler(device: str) -> None:
    """Compile a small function.

    Raises:
        ConfigError: torch cannot compile for the device on this machine.
    """
    try:
        torch.compile(_double)(torch.ones(2, device=device))
    except Exception as error:  # the compilers raise many types
        reason = getattr(error, "inner_exception", error)
        needed = "a C++ compiler, such as g++" if device == "cpu" else "Triton and a C compiler"
        raise ConfigError(
            f"train.compile: torch.compile does not work here ({first_line(reason)}); install "
            f"{needed}, or remove --compile"
        ) from None


def compiled(encoders: Encoders) -> Encoders:
    """The same with compiled towers; they are compiled when they are first called."""
    limit = torch._dynamo.config.recompile_limit
    torch._dynamo.config.recompile_limit = max(limit, _SHAPES)
    return replace(
        encoders,
        encode_text=torch.compile(encoders.encode_text, dynamic=False),
        image_tower=torch.compile(encoders.model.encode_image, dynamic=False),
    )


def _double(numbers: torch.Tensor) -> torch.Tensor:
    return numbers * 2
