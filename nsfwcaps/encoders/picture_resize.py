"""Resizing of pictures by torch in 8 bits, without Pillow's copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from nsfwcaps.encoders.picture_size import resized_size

if TYPE_CHECKING:
    import torch
    from PIL import Image

Bytes = npt.NDArray[np.uint8]

_MODES = ("bicubic", "bilinear")


@dataclass(frozen=True, kw_only=True)
class FastResize:
    """Resize, then crop or pad: torch's arithmetic at torchvision's and open_clip's sizes."""

    resize: Any
    crop: Any

    @classmethod
    def of(cls, resize: Any, crop: Any) -> Self | None:
        """Do what these steps do; None if torch cannot."""
        if resize.interpolation.value not in _MODES:
            return None
        if not isinstance(getattr(crop, "fill", 0), int | float):  # torch pads with one value
            return None
        return cls(resize=resize, crop=crop)

    def __call__(self, pixels: torch.Tensor) -> Bytes | None:
        """Return the pixels `[3, h, w]` of a picture `[3 or 4, h', w']`, of 3 channels used.

        None if Pillow has to resize it.
        """
        from torch.nn import functional

        before = list(pixels.shape[1:])
        size = resized_size(self.resize, *before)
        if _vertical_first(before, size):
            return None
        batch = pixels[None]
        if size != before:
            mode = self.resize.interpolation.value
            batch = functional.interpolate(batch, size=size, mode=mode, antialias=True)
        if self.crop is not None:
            batch = self.crop(batch)
        found: Bytes = batch[0, :3].numpy()
        return found


def _vertical_first(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether Pillow may resize the height first: it does for some tall pictures since version 12.

    torch starts with the width. Each rounds and clips in between, so the order matters.
    """
    (height, width), (new_height, new_width) = before, after
    lost = height - new_height
    return lost > 0 and (height > 100 * width or lost > 2 * (width - new_width))


def memory(picture: Image.Image) -> torch.Tensor:
    """Return an RGB picture's values `[4, h, w]` in place, the last of no meaning, or a copy of 3.

    A copy takes a fifth of the time of decoding, and holds Python's lock.
    """
    import pyarrow as pa
    import torch
    from torch.utils.dlpack import from_dlpack

    if hasattr(picture, "__arrow_c_array__"):  # Pillow 11.2
        try:
            values = pa.array(picture).values
        except ValueError:  # its rows lie in several blocks
            pass
        else:
            rows: torch.Tensor = from_dlpack(values).view(picture.height, picture.width, 4)
            return rows.permute(2, 0, 1)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)
