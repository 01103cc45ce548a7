"""Perceptual hashes: copies are near, other pictures are not, plain ones have none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from nsfwcaps.captions.picture_hash import PLAIN, picture_hash, stacked
from nsfwcaps.pictures import UNDECODABLE


def picture(seed: int, side: int = 240) -> Image.Image:
    """Smooth random patches, as of a photograph."""
    cells = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((side, side), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def bits(one: bytes, other: bytes) -> int:
    hashes = [picture_hash(one), picture_hash(other)]
    assert isinstance(hashes[0], bytes)
    assert isinstance(hashes[1], bytes)
    return (int.from_bytes(hashes[0]) ^ int.from_bytes(hashes[1])).bit_count()


@pytest.mark.parametrize("quality", [30, 60, 90])
@pytest.mark.parametrize("side", [80, 180, 480])
def test_a_copy_at_another_size_and_quality_is_near(quality: int, side: int) -> None:
    for seed in range(5):
        copy = encoded(picture(seed).resize((side, side)), "JPEG", quality=quality)
        assert bits(encoded(picture(seed)), copy) <= 32


def test_another_picture_is_far() -> None:
    made = [encoded(picture(seed)) for seed in range(12)]
    far = [bits(one, other) for n, one in enumerate(made) for other in made[:n]]
    assert min(far) > 64


def test_brightness_and_contrast_do_not_matter() -> None:
    darker = picture(1).point(lambda value: value * 0.7 + 10)
    assert bits(encoded(picture(1)), encoded(darker)) <= 32


@pytest.mark.parametrize("colour", [(255, 255, 255), (10, 90, 30)])
def test_a_plain_picture_has_no_hash(colour: tuple[int, int, int]) -> None:
    assert picture_hash(encoded(Image.new("RGB", (64, 64), colour))) == PLAIN


def test_no_picture_has_no_hash() -> None:
    assert picture_hash(b"not a picture") == UNDECODABLE


def test_stacked_hashes_keep_their_order() -> None:
    hashes = [bytes(range(32)), bytes(32)]
    assert [row.tobytes() for row in stacked(hashes)] == hashes
    assert stacked([]).shape == (0, 32)
