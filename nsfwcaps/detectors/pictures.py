"""Bytes of picture files to arrays."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

from nsfwcaps.errors import InputError


def rgb(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode one picture to `[h, w, 3]`.

    Raises:
        InputError: the bytes are no picture.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return np.array(picture.convert("RGB"), dtype=np.uint8)
    except Exception:  # Pillow's decoders raise many kinds; each means an unusable picture
        raise InputError(
            "a picture that a detector shall judge cannot be decoded; remove it and run again"
        ) from None
