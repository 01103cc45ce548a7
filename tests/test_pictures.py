"""One decoder: every caller sees a file as a person would, or says why it does not."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.odd_pictures import ORIENTATION, claiming, file_of, scene, turned

from nsfwcaps import pictures
from nsfwcaps.detectors.pictures import rgb
from nsfwcaps.enums import Device
from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.pictures import Pictures
from nsfwcaps.evaluation.examples import _thumbnail
from nsfwcaps.review import pairs


def pixels(data: bytes) -> np.ndarray[Any, Any]:
    picture = pictures.decode(data)
    assert not isinstance(picture, str), picture
    assert picture.mode == "RGB"
    return np.asarray(picture)


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        # The corners of the upright picture are 1 2 / 3 4; so does a file hold them.
        (1, [[1, 2], [3, 4]]),
        (2, [[2, 1], [4, 3]]),
        (3, [[4, 3], [2, 1]]),
        (4, [[3, 4], [1, 2]]),
        (5, [[1, 3], [2, 4]]),
        (6, [[2, 4], [1, 3]]),
        (7, [[4, 2], [3, 1]]),
        (8, [[3, 1], [4, 2]]),
        (9, [[1, 2], [3, 4]]),  # there is none
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_orientation(orientation: int, stored: list[list[int]], kind: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    grey = Image.fromarray(np.array(stored, dtype=np.uint8) * 50).convert("RGB")
    data = file_of(grey, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    assert pixels(data)[:, :, 0].tolist() == [[50, 100], [150, 200]]


def test_a_damaged_exif_does_no_harm() -> None:
    data = file_of(scene(), exif=b"Exif\0\0no such thing")
    np.testing.assert_array_equal(pixels(data), np.asarray(scene()))


def test_nothing_but_pixels_is_handed_on() -> None:
    picture = pictures.decode(file_of(scene(), exif=turned_exif(), icc_profile=b"at home"))
    assert not isinstance(picture, str)
    assert picture.info == {}
    assert file_of(picture) == file_of(Image.fromarray(np.asarray(picture)))


def turned_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return exif


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled(kind: str) -> None:
    steps = np.array([[0, 257, 1000, 32_768], [40_000, 50_000, 65_534, 65_535]], dtype=np.uint16)
    found = pixels(file_of(Image.fromarray(steps), kind))
    assert found[:, :, 0].tolist() == [[0, 1, 4, 128], [156, 195, 255, 255]]
    assert (found == found[:, :, :1]).all()


def test_a_16_bit_gradient_keeps_its_order() -> None:
    gradient = np.arange(0, 65_536, 256, dtype=np.uint16).reshape(16, 16)
    found = pixels(file_of(Image.fromarray(gradient)))[:, :, 0].ravel().astype(int)
    assert (np.diff(found) >= 0).all()
    assert (found[0], found[-1], len(set(found.tolist()))) == (0, 254, 255)


def test_a_16_bit_picture_that_lies_on_its_side() -> None:
    steps = np.array([[0, 25_700], [51_400, 65_535]], dtype=np.uint16)
    data = turned(Image.fromarray(steps))
    assert pixels(data)[:, :, 0].tolist() == [[0, 100], [200, 255]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0.0, 0.2], [0.6, 1.0]], [[0, 51], [153, 255]]),
        ([[-1.0, 0.0], [1.0, 4.0]], [[0, 51], [102, 255]]),
        ([[7.0, 7.0], [7.0, 7.0]], [[0, 0], [0, 0]]),
    ],
)
def test_floats(values: list[list[float]], expected: list[list[int]]) -> None:
    data = file_of(Image.fromarray(np.array(values, dtype=np.float32)), "TIFF")
    assert pixels(data)[:, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0, 257], [65_535, 514]], [[0, 1], [255, 2]]),
        ([[-100, 0], [100, 410]], [[0, 50], [100, 255]]),
    ],
)
def test_whole_numbers_of_32_bits(values: list[list[int]], expected: list[list[int]]) -> None:
    data = file_of(Image.fromarray(np.array(values, dtype=np.int32)), "TIFF")
    assert pixels(data)[:, :, 0].tolist() == expected


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_floats_that_are_no_numbers(wrong: float) -> None:
    values = np.array([[0.5, wrong]], dtype=np.float32)
    assert pictures.decode(file_of(Image.fromarray(values), "TIFF")) == "image_undecodable"


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind: str) -> None:
    inks = [(0, 255, 255, 0), (255, 255, 0, 0), (0, 0, 0, 255), (0, 0, 0, 0)]
    expected = [(255, 0, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)]
    for ink, colour in zip(inks, expected, strict=True):
        found = pixels(file_of(Image.new("CMYK", (8, 8), ink), kind))[4, 4]
        assert np.abs(found.astype(int) - colour).max() <= 2


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGBA", (200, 100, 0, 255), (200, 100, 0)),
        ("RGBA", (200, 100, 0, 0), (255, 255, 255)),
        ("RGBA", (200, 100, 0, 51), (244, 224, 204)),
        ("LA", (0, 255), (0, 0, 0)),
        ("LA", (0, 0), (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
    ],
)
def test_what_is_transparent_shows_white(mode: str, colour: Any, expected: Any) -> None:
    found = pixels(file_of(Image.new(mode, (2, 2), colour)))
    np.testing.assert_array_equal(found, np.full((2, 2, 3), expected))


def test_palettes() -> None:
    plain = Image.new("P", (2, 1))
    plain.putpalette([10, 20, 30, 200, 100, 50])
    plain.putpixel((1, 0), 1)
    assert pixels(file_of(plain)).tolist() == [[[10, 20, 30], [200, 100, 50]]]
    assert pixels(file_of(plain, transparency=0)).tolist() == [[[255] * 3, [200, 100, 50]]]


def test_a_large_claim_is_refused_before_anything_is_decoded() -> None:
    assert pictures.decode(claiming(20_000, 20_000)) == "image_too_large"
    assert pictures.decode(claiming(13_378, 13_377)) == "image_too_large"  # 178,957,506
    assert pictures.decode(claiming(64, 64), max_pixels=4_095) == "image_too_large"
    assert pictures.decode(claiming(64, 64), max_pixels=4_096) == "image_undecodable"
    assert pictures.MAX_PIXELS == 2 * (1024**3 // 4 // 3)  # where Pillow raises


def test_the_limit_holds_where_pillows_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert pictures.decode(claiming(20_000, 20_000)) == "image_too_large"


@pytest.mark.parametrize("keep", [0, 30, -40], ids=str)
def test_what_is_cut_short(keep: int) -> None:
    for kind in ("PNG", "JPEG"):
        assert pictures.decode(file_of(scene(), kind)[:keep]) == "image_undecodable"
    with pytest.raises(InputError, match=r"cannot decode a picture \(image_undecodable\)"):
        pictures.decoded(b"no picture", "a picture")


def test_a_draft_is_smaller_and_upright() -> None:
    data = turned(scene(1_200, 900), "JPEG")
    picture = pictures.decode(data, draft_px=200)
    assert not isinstance(picture, str)
    assert picture.size == (300, 225)


# Callers: each sees the twin of orientation 6 as it sees the upright picture.


def shown(data: bytes) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(pairs._shown(data, "an image"))) as picture:
        return np.asarray(picture)


def thumbnail(data: bytes) -> np.ndarray[Any, Any]:
    files = Pictures()
    files.add(lambda: data)
    with Image.open(io.BytesIO(base64.b64decode(_thumbnail(files, 0) or ""))) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("see", [shown, thumbnail, rgb])
def test_callers_see_it_upright(see: Callable[[bytes], Any]) -> None:
    upright = see(file_of(scene()))
    assert upright.shape == (48, 64, 3)
    np.testing.assert_array_equal(see(turned(scene())), upright)


def test_callers_refuse_in_their_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = claiming(20_000, 20_000)
    with pytest.raises(InputError, match="more than 50,000,000 pixels"):
        shown(bomb)
    with pytest.raises(
        InputError, match=r"cannot decode an image passed to a detector \(image_too_large\)"
    ):
        rgb(bomb)
    files = Pictures()
    files.add(lambda: bomb)
    assert _thumbnail(files, 0) is None


def test_the_bundled_encoder_sees_it_upright() -> None:
    from nsfwcaps.encoders.options import EncoderOptions
    from nsfwcaps.models import create

    encoder = create.load("mini", EncoderOptions(device=Device.CPU))
    data = [file_of(scene()), turned(scene()), file_of(scene().rotate(90, expand=True))]
    images = [(str(n), lambda item=item: item) for n, item in enumerate(data)]
    images.append(("bomb", lambda: claiming(20_000, 20_000)))
    encoded = encoder.encode_images(images, lambda done: None)
    upright, twin, lying = encoded.rows
    assert upright @ twin > 0.999
    assert upright @ lying < 0.95, "the picture must have an up and a down to show anything"
    assert encoded.failed == {3: "image_too_large"}
