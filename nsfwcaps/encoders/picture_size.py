"""Sizes to which a model's preprocessing resizes pictures, and those that it cannot use."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from nsfwcaps.pictures import MAX_PIXELS, TOO_LARGE, UNDECODABLE


def unusable_size(resize: Any, height: int, width: int) -> str | None:
    """Return why a picture of this size cannot be resized by this step, None if it can.

    A line of pixels is the reason: 1 x 5,000 becomes 224 x 1,120,000 where the short side is made
    224, and less than a pixel wide where the long side is.
    """
    if resize is None:
        return None
    new_height, new_width = resized_size(resize, height, width)
    if new_height * new_width > MAX_PIXELS:
        return TOO_LARGE
    return None if min(new_height, new_width) > 0 else UNDECODABLE


def resized_size(resize: Any, height: int, width: int) -> list[int]:
    """Return the size [h, w] to which torchvision's or open_clip's step resizes a picture."""
    if hasattr(resize, "get_params"):  # open_clip's
        picture = SimpleNamespace(size=(width, height))
        size: list[int] = resize.get_params(picture, resize.size, resize.longest)
        return size
    wanted = resize.size
    if not isinstance(wanted, int) and len(wanted) == 2:
        return list(wanted)
    short = wanted if isinstance(wanted, int) else wanted[0]
    long = int(short * max(height, width) / min(height, width))
    if resize.max_size is not None and long > resize.max_size:
        short, long = int(resize.max_size * short / long), resize.max_size
    return [long, short] if width <= height else [short, long]
