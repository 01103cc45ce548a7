"""From the bytes of a picture's file to pixels, one way for models and people.

Orientation by EXIF is applied. Channels of 16 bits and more are scaled, not clipped. What is
transparent shows white, as in a viewer. CMYK and palettes become RGB without colour profiles.
"""

from __future__ import annotations

import contextlib
import functools
import io
from typing import TYPE_CHECKING

from nsfwcaps.errors import InputError

if TYPE_CHECKING:  # the command line must answer at once
    from PIL import Image

VERSION = 1
"""Part of what identifies an encoder's vectors: raise it where a file gives other pixels."""

MAX_PIXELS = 178_956_970
"""Where Pillow refuses a picture (twice `Image.MAX_IMAGE_PIXELS`, from which on it warns): a small
file can claim to be an enormous one."""

UNDECODABLE = "image_undecodable"
TOO_LARGE = "image_too_large"

# Others are not decoded: Pillow gives some (EPS) to a program of their own.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO")
_WIDE = ("I", "F")
"""How the modes begin whose channels have more than 8 bits; `I;16` is one."""
_MAX_16_BIT = 65_535


def decode(
    data: bytes, *, max_pixels: int = MAX_PIXELS, draft_px: int | None = None
) -> Image.Image | str:
    """Upright RGB picture without metadata, or the reason why there is none.

    With `draft_px`, a JPEG may come smaller than it is, with sides of at least so many pixels.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as picture:
            if picture.width * picture.height > max_pixels:
                return TOO_LARGE
            if draft_px is not None:
                picture.draft("RGB", (draft_px, draft_px))
            picture.load()
            _turn_upright(picture)
            plain = _rgb(picture)
    except Image.DecompressionBombError:
        return TOO_LARGE
    except Exception:  # Pillow's decoders raise many kinds; each means an unusable picture
        return UNDECODABLE
    plain.info.clear()
    return plain


def decoded(data: bytes, what: str) -> Image.Image:
    """Upright RGB picture of a file that has to be one.

    Raises:
        InputError: it cannot be decoded; the message names `what`.
    """
    picture = decode(data)
    if isinstance(picture, str):
        raise InputError(f"cannot decode {what} ({picture}); remove it and run again")
    return picture


@functools.cache
def _formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)  # AVIF depends on Pillow's build


def _turn_upright(picture: Image.Image) -> None:
    from PIL import ImageOps

    # A picture whose EXIF is damaged is a picture all the same.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(picture, in_place=True)


def _rgb(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if picture.mode.startswith(_WIDE):
        return _scaled(picture).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")


def _scaled(picture: Image.Image) -> Image.Image:
    """8-bit grey of a wide channel: of 0 to 65,535, of 0 to 1 for floats, else of its own range.

    Raises:
        ValueError: a pixel is not a number.
    """
    import numpy as np
    from PIL import Image

    values = np.asarray(picture).astype(np.float64)  # [h, w]
    low, high = 0.0, 1.0 if picture.mode.startswith("F") else float(_MAX_16_BIT)
    least, most = float(values.min()), float(values.max())
    if not np.isfinite([least, most]).all():
        raise ValueError("a pixel is not a number")
    if least < low or most > high:
        low, high = least, most
    grey = np.zeros_like(values) if high == low else (values - low) / (high - low) * 255
    return Image.fromarray(grey.round().astype(np.uint8))
