"""Decoding image files to arrays."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

from nsfwcaps.errors import InputError


def rgb(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode one image to `[h, w, 3]`.

    Raises:
        InputError: the bytes are not a readable image.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return np.array(picture.convert("RGB"), dtype=np.uint8)
    except Exception:  # Pillow's decoders raise many exception types
        raise InputError(
            "cannot decode an image passed to a detector; remove it and run again"
        ) from None
