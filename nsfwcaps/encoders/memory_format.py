"""In which order a visual tower keeps its numbers in memory."""

from __future__ import annotations

from typing import Any


def picture_layout(visual: Any, device: str) -> Any:
    """Memory format, as torch names them, of a tower and its pictures `[b, 3, h, w]`.

    On a CPU convolutional towers are faster with channels last. The weights keep their values,
    shapes and digest.
    """
    import torch

    if device == "cpu" and _is_convolutional(visual):
        return torch.channels_last
    return torch.contiguous_format


def _is_convolutional(visual: Any) -> bool:
    """More than one convolution slides; a transformer's one cuts the picture into patches."""
    import torch

    convolutions = [m for m in visual.modules() if isinstance(m, torch.nn.Conv2d)]
    return sum(conv.kernel_size[0] > conv.stride[0] for conv in convolutions) > 1
