"""Bytes of picture files to arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsfwcaps.pictures import decoded


def rgb(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode one picture to `[h, w, 3]`.

    Raises:
        InputError: it cannot be decoded.
    """
    return np.array(decoded(data, "a picture passed to a detector"), dtype=np.uint8)
