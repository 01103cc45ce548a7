"""Decoding of plain JPEG files by torchvision.

It runs the same library as Pillow and returns the same pixels, but spends no time in Python: Pillow
holds Python's lock for a sixth of its time, which caps what threads can do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from nsfwcaps.c_messages import can_silence, silenced
from nsfwcaps.pictures import MAX_PIXELS

if TYPE_CHECKING:
    import torch

_SCAN, _FRAMES = 0xDA, (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive; Huffman coded
_OTHER_FRAMES = (0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_EXIF_OR_XMP, _EXTENSION, _SEVERAL_PICTURES = 0xE1, 0xE2, b"MPF\0"
_BITS, _CHANNELS = 8, (1, 3)


def plain_jpeg(data: bytes) -> torch.Tensor | None:
    """Return the RGB pixels `[3, h, w]` of a JPEG file, as `pictures.decode` would.

    None for all others, which Pillow has to look at: with an orientation, CMYK, too large, damaged.
    """
    decode = _decoder()
    if decode is None or not _is_plain(data):
        return None
    import torch

    file = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    try:
        with silenced():  # libjpeg prints what is damaged in the data
            pixels: torch.Tensor = decode(file)
    except RuntimeError:  # damaged
        return None
    return pixels


@functools.cache
def _decoder() -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Return torchvision's decoder to RGB; None if it is absent, or would print of damage.

    The operator itself: its Python function warns in every call that it will move.
    """
    import torch

    if not can_silence():
        return None
    try:
        from torchvision.io import ImageReadMode

        operator, mode = torch.ops.image.decode_jpeg, ImageReadMode.RGB.value
    except (ImportError, AttributeError, RuntimeError):
        return None
    return lambda data: operator(data, mode, False)


def _is_plain(data: bytes) -> bool:
    """Whether the segments in front of the pixels hold nothing that Pillow treats specially."""
    if data[:2] != b"\xff\xd8":
        return False
    at, usual = 2, False
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == _SCAN:
            return usual
        body = data[at + 4 : at + 2 + length]
        if _is_special(kind, body):
            return False
        usual = _is_usual(body) if kind in _FRAMES else usual
        at += 2 + length
    return False


def _is_special(kind: int, body: bytes) -> bool:
    """Whether a segment is one that Pillow reads, or of another kind of JPEG."""
    if kind == _EXTENSION:
        return body.startswith(_SEVERAL_PICTURES)
    return kind == _EXIF_OR_XMP or kind in _OTHER_FRAMES or kind < _FRAMES[0]


def _is_usual(frame: bytes) -> bool:
    """Whether a frame has 8 bits per channel, one channel or three, and a size within the limit."""
    if len(frame) < 6:
        return False
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    usual = frame[0] == _BITS and frame[5] in _CHANNELS
    return usual and 0 < height * width <= MAX_PIXELS
