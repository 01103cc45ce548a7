"""Plain JPEG files: torchvision's pixels are Pillow's, and all other files are left to Pillow."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from support.odd_pictures import file_of, scene, turned

from nsfwcaps import pictures
from nsfwcaps.encoders import picture_jpeg
from nsfwcaps.encoders.picture_input import PictureInput
from nsfwcaps.encoders.picture_jpeg import plain_jpeg

SAVED: list[dict[str, Any]] = [
    {"quality": 1},
    {"quality": 75, "subsampling": "4:2:0"},
    {"quality": 90, "subsampling": "4:2:2"},
    {"quality": 100, "subsampling": "4:4:4"},
    {"quality": 60, "progressive": True},
    {"quality": 60, "optimize": True},
    {"quality": 60, "restart_marker_blocks": 2},
    {"quality": 60, "keep_rgb": True},
    {"icc_profile": b"a profile"},
    {"comment": b"a comment", "dpi": (300, 300)},
]


def drawn(width: int, height: int, mode: str) -> Image.Image:
    values = np.random.default_rng([width, height]).integers(0, 256, (height, width, 3))
    return Image.fromarray(values.astype(np.uint8)).convert(mode)


def pillows(data: bytes) -> torch.Tensor:
    picture = pictures.decode(data)
    assert not isinstance(picture, str)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


@pytest.mark.parametrize("options", SAVED, ids=str)
def test_pixels_are_pillows(options: dict[str, Any]) -> None:
    for mode in ("RGB", "L"):
        if mode == "L" and "keep_rgb" in options:
            continue
        for size in ((64, 48), (33, 17), (1, 1), (7, 200), (320, 240)):
            data = file_of(drawn(*size, mode), "JPEG", **options)
            found = plain_jpeg(data)
            assert found is not None
            assert torch.equal(found, pillows(data)), (mode, size)


def exif() -> bytes:
    return turned(scene(), "JPEG")


def xmp() -> bytes:
    return file_of(scene(), "JPEG", xmp=b"<x:xmpmeta/>")


def cmyk() -> bytes:
    return file_of(Image.new("CMYK", (8, 8)), "JPEG")


def several() -> bytes:
    return file_of(scene(), "MPO", save_all=True, append_images=[scene()])


@pytest.mark.parametrize("make", [exif, xmp, cmyk, several])
def test_others_are_pillows_to_read(make: Callable[[], bytes]) -> None:
    data = make()
    assert data[:2] == b"\xff\xd8"
    assert pillows(data).shape[0] == 3
    assert plain_jpeg(data) is None


def test_other_formats_and_damaged_files_are_left_to_pillow() -> None:
    assert plain_jpeg(file_of(scene())) is None
    data = file_of(scene(), "JPEG")
    assert plain_jpeg(data) is not None
    for keep in (*range(0, 700, 7), len(data) - 1, len(data) - 2):
        assert plain_jpeg(data[:keep]) is None, keep
        assert pictures.decode(data[:keep]) == "image_undecodable"


def test_a_large_claim_is_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of(scene(64, 48), "JPEG")
    monkeypatch.setattr(picture_jpeg, "MAX_PIXELS", 64 * 48)
    assert plain_jpeg(data) is not None
    monkeypatch.setattr(picture_jpeg, "MAX_PIXELS", 64 * 48 - 1)
    assert plain_jpeg(data) is None


def test_without_torchvisions_decoder_pillow_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    picture_jpeg._decoder.cache_clear()
    monkeypatch.delattr(torch.ops.image, "decode_jpeg", raising=False)
    monkeypatch.setitem(sys.modules, "torchvision.io", None)
    try:
        assert plain_jpeg(file_of(scene(), "JPEG")) is None
    finally:
        picture_jpeg._decoder.cache_clear()


def test_files_and_their_decoded_pictures_give_the_same_pixels() -> None:
    preprocess = image_transform_v2(PreprocessCfg(size=(32, 32)), False)
    inputs = PictureInput(preprocess, exact=False)
    for size in ((90, 70), (70, 90), (40, 400)):  # the last is for Pillow to resize
        data = file_of(drawn(*size, "RGB"), "JPEG")
        picture = pictures.decode(data)
        assert not isinstance(picture, str)
        direct, through = inputs.buffer(2)
        assert inputs.read(data, direct.numpy()) is None
        inputs.write(picture, through.numpy())
        assert torch.equal(direct, through), size
