"""Decoding of image files, the same for models and people.

EXIF orientation is applied. Channels of 16 bits and more are scaled, not clipped. Transparency is
rendered on white, as in a viewer. CMYK and palettes become RGB without colour profiles.
"""

from __future__ import annotations

import contextlib
import functools
import io
from typing import TYPE_CHECKING

from nsfwcaps.errors import InputError

if TYPE_CHECKING:  # the command line must start fast
    from PIL import Image

VERSION = 1
"""Part of an encoder's identity: raise it when decoding changes pixels."""

MAX_PIXELS = 178_956_970
"""Pillow's limit (twice `Image.MAX_IMAGE_PIXELS`, above which it warns): a small file can declare
enormous dimensions."""

UNDECODABLE = "image_undecodable"
TOO_LARGE = "image_too_large"

# Other formats are not decoded: Pillow runs an external program for some (EPS).
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO")
_WIDE = ("I", "F")
"""Prefixes of Pillow modes with more than 8 bits per channel, such as `I;16`."""
_MAX_16_BIT = 65_535


def decode(
    data: bytes, *, max_pixels: int = MAX_PIXELS, draft_px: int | None = None
) -> Image.Image | str:
    """Decode an image to upright RGB without metadata, or return the reason for failure.

    `draft_px` allows decoding JPEGs at a reduced size of at least that many pixels per side.
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
    except Exception:  # Pillow's decoders raise many types; all mean an unusable image
        return UNDECODABLE
    plain.info.clear()
    return plain


def decoded(data: bytes, what: str) -> Image.Image:
    """Decode an image that must be valid, to upright RGB.

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

    # Damaged EXIF data does not make an image unusable.
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
    """Scale a wide channel to 8 bits, from 0 to 65,535 (floats: 0 to 1), or else from its range.

    Raises:
        ValueError: a pixel is NaN or infinite.
    """
    import numpy as np
    from PIL import Image

    values = np.asarray(picture).astype(np.float64)  # [h, w]
    low, high = 0.0, 1.0 if picture.mode.startswith("F") else float(_MAX_16_BIT)
    least, most = float(values.min()), float(values.max())
    if not np.isfinite([least, most]).all():
        raise ValueError("a pixel is NaN or infinite")
    if least < low or most > high:
        low, high = least, most
    grey = np.zeros_like(values) if high == low else (values - low) / (high - low) * 255
    return Image.fromarray(grey.round().astype(np.uint8))
