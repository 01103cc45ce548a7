"""Picture files that decoders like to get wrong, all made from arrays."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

ORIENTATION = 0x0112


def file_of(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Bytes of a picture's file."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def turned(upright: Image.Image, kind: str = "PNG") -> bytes:
    """A file that lies on its side and says so: orientation 6 means turn it clockwise."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return file_of(upright.transpose(Image.Transpose.ROTATE_90), kind, exif=exif)


def scene(width: int = 64, height: int = 48) -> Image.Image:
    """A picture with an up and a down, a left and a right."""
    ramp = np.zeros((height, width, 3), dtype=np.uint8)
    ramp[: height // 3] = (40, 90, 200)
    ramp[:, : width // 4] = (200, 60, 20)
    ramp[-5:] = (20, 160, 40)
    return Image.fromarray(ramp)


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
