"""The crop of transformers' image processors, whose rounding differs from torchvision's."""

from __future__ import annotations

from typing import Any


class MiddleCrop:
    """Cut a picture to the middle `[h, w]`, and pad a smaller one with black.

    An odd margin is rounded down, where torchvision rounds to the even number: a row or a column of
    pixels differs. Padding puts the odd row first.
    """

    def __init__(self, height: int, width: int) -> None:
        self.size = (height, width)

    def __call__(self, picture: Any) -> Any:
        """Crop a Pillow picture, or a tensor `[..., h, w]`."""
        from torchvision.transforms import functional

        width, height = functional.get_image_size(picture)
        missing = max(0, self.size[0] - height), max(0, self.size[1] - width)
        if any(missing):
            top, left = ((pixels + 1) // 2 for pixels in missing)
            bottom, right = missing[0] - top, missing[1] - left
            picture = functional.pad(picture, [left, top, right, bottom])
            width, height = width + missing[1], height + missing[0]
        top, left = (height - self.size[0]) // 2, (width - self.size[1]) // 2
        return functional.crop(picture, top, left, *self.size)
