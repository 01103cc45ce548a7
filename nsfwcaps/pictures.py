"""Image decoding, the same for models and for people.

EXIF orientation is applied. Channels of 16 bits or more are scaled, not clipped. Transparency is
rendered on white, as in a viewer. CMYK and palette images become RGB, ignoring colour profiles.
"""

from __future__ import annotations

import contextlib
import functools
import io
from typing import TYPE_CHECKING

from nsfwcaps.c_messages import can_silence, silenced
from nsfwcaps.errors import InputError

if TYPE_CHECKING:  # keeps `nsfwcaps --help` fast
    from PIL import Image

VERSION = 1
"""Part of the identity of an encoder's vectors. Increase it when decoded pixels change."""

MAX_PIXELS = 178_956_970
"""Limit above which Pillow raises an error (twice `Image.MAX_IMAGE_PIXELS`, where it warns). It
guards against decompression bombs."""

UNDECODABLE = "image_undecodable"
TOO_LARGE = "image_too_large"

# No other formats: Pillow runs external programs for some of them (EPS).
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO")
_WIDE = ("I", "F")
"""Prefixes of modes with more than 8 bits per channel, such as `I;16`."""
_MAX_16_BIT = 65_535


def decode(
    data: bytes, *, max_pixels: int = MAX_PIXELS, draft_px: int | None = None
) -> Image.Image | str:
    """Decode to an upright RGB image without metadata, or return the reason for failure.

    With `draft_px`, a JPEG may be decoded at a reduced size, no side below that many pixels.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as picture:
            if picture.width * picture.height > max_pixels:
                return TOO_LARGE
            if draft_px is not None:
                picture.draft("RGB", (draft_px, draft_px))
            with _quietly(picture.format):
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
    """Decode to an upright RGB image, or raise.

    Raises:
        InputError: the data cannot be decoded; the message names `what`.
    """
    picture = decode(data)
    if isinstance(picture, str):
        raise unusable(picture, what)
    return picture


def unusable(reason: str, what: str) -> InputError:
    """Return the error for an image that `decode` refused with this reason."""
    return InputError(f"cannot decode {what} ({reason}); remove it and run again")


def _quietly(kind: str | None) -> contextlib.AbstractContextManager[None]:
    """Keep libtiff from printing what is damaged in a file; Pillow's other libraries are silent."""
    return silenced() if kind == "TIFF" and can_silence() else contextlib.nullcontext()


@functools.cache
def _formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)  # AVIF depends on Pillow's build


def _turn_upright(picture: Image.Image) -> None:
    from PIL import ImageOps

    # Damaged EXIF data does not make the image unusable.
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
    """Scale a wide channel to 8-bit grey.

    The input range is 0 to 65,535 (floats: 0 to 1), or else the range of the values.

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
