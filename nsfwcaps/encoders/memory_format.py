"""Memory format of image towers."""

from __future__ import annotations

from typing import Any


def picture_layout(visual: Any, device: str) -> Any:
    """Return the torch memory format for a tower and its images `[b, 3, h, w]`.

    On a CPU, convolutional towers are faster with channels last. Values, shapes and digest of the
    weights do not change.
    """
    import torch

    if device == "cpu" and _is_convolutional(visual):
        return torch.channels_last
    return torch.contiguous_format


def _is_convolutional(visual: Any) -> bool:
    """Whether several convolutions overlap; a transformer only cuts the image into patches."""
    import torch

    convolutions = [m for m in visual.modules() if isinstance(m, torch.nn.Conv2d)]
    return sum(conv.kernel_size[0] > conv.stride[0] for conv in convolutions) > 1
