"""Decoding image files to arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsfwcaps.pictures import decoded


def rgb(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode one image to `[h, w, 3]`.

    Raises:
        InputError: the bytes are not a readable image.
    """
    return np.array(decoded(data, "an image passed to a detector"), dtype=np.uint8)
