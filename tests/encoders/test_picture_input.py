"""Preprocessing in two halves: equal to the model's own, or a level apart where torch resizes."""

from __future__ import annotations

import gc
import random
from functools import partial
from typing import Any

import numpy as np
import open_clip.transform
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from support.odd_pictures import file_of, turned
from torchvision import transforms

from nsfwcaps import pictures
from nsfwcaps.encoders.picture_input import PictureInput
from nsfwcaps.encoders.picture_resize import FastResize, memory
from nsfwcaps.encoders.picture_size import resized_size

MODES = ("shortest", "longest", "squash")
CUBIC = transforms.InterpolationMode.BICUBIC
SIZES = [(32, 32), (48, 32), (31, 57)]  # [h, w]; odd ones crop and pad by halves

# [w, h]: of the tower's size, smaller, larger, tiny, and extreme ratios.
SHAPES = [(32, 32), (20, 20), (33, 31), (640, 480), (97, 411), (1, 1), (2, 3), (600, 9), (9, 600)]


def own(**settings: Any) -> Any:
    """The preprocessing that open_clip makes."""
    return image_transform_v2(PreprocessCfg(**{"mean": (0.5, 0.4, 0.3), **settings}), False)


def noise(width: int, height: int, mode: str = "RGB", number: int = 0) -> Image.Image:
    """A picture of pure noise: every level of every pixel counts."""
    drawn = np.random.default_rng([number, width, height])
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}[mode]
    values = drawn.integers(0, 256, (height, width, *channels), dtype=np.uint8)
    return Image.fromarray(values, mode=mode) if mode == "CMYK" else Image.fromarray(values)


def batch(inputs: PictureInput, drawn: list[Image.Image]) -> torch.Tensor:
    """Pixels of pictures; PNG files keep all of them."""
    return inputs.batch([partial(file_of, picture) for picture in drawn], "a picture")


def halves(preprocess: Any, picture: Image.Image, *, exact: bool = True) -> torch.Tensor:
    inputs = PictureInput(preprocess, exact=exact)
    pixels = batch(inputs, [picture])
    assert pixels.dtype == torch.uint8
    return inputs.normalise(pixels)[0]


def steps(preprocess: Any, picture: Image.Image) -> np.ndarray[Any, Any]:
    """Pixels `[3, h, w]` after the model's own resizing and cropping."""
    for step in preprocess.transforms[:-2]:
        picture = step(picture)
    return np.asarray(picture).transpose(2, 0, 1)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_with_pillow_the_halves_equal_the_whole(
    size: tuple[int, int], mode: str, interpolation: str
) -> None:
    preprocess = own(size=size, resize_mode=mode, interpolation=interpolation, fill_color=7)
    for shape in SHAPES:
        if mode == "longest" and max(shape) > 40 * min(shape):
            continue  # open_clip itself makes nothing of them: a side of 0 pixels
        picture = noise(*shape)
        assert torch.equal(halves(preprocess, picture), preprocess(picture)), shape


def sixteen_bits() -> bytes:
    steps = np.arange(0, 65_536, 16, dtype=np.uint16).reshape(32, 128)
    return file_of(Image.fromarray(steps))


FILES = {
    "jpeg": lambda: file_of(noise(90, 70), "JPEG"),
    "grey": lambda: file_of(noise(90, 70, "L")),
    "palette": lambda: file_of(noise(90, 70).quantize(64)),
    "bilevel": lambda: file_of(noise(90, 70, "L").convert("1")),
    "transparent": lambda: file_of(noise(90, 70, "RGBA")),
    "cmyk": lambda: file_of(noise(90, 70, "CMYK"), "JPEG"),
    "16 bits": sixteen_bits,
    "on its side": lambda: turned(noise(90, 70), "JPEG"),
}


@pytest.mark.parametrize("kind", FILES)
def test_with_pillow_every_kind_of_file_is_seen_as_the_model_sees_it(kind: str) -> None:
    picture = pictures.decode(FILES[kind]())
    assert not isinstance(picture, str)
    preprocess = own(size=(32, 32))
    assert torch.equal(halves(preprocess, picture), preprocess(picture))
    assert len(halves(preprocess, picture).unique()) > 2, "a plain picture shows nothing"


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_torch_is_at_most_two_levels_apart_and_hardly_ever_two(
    size: tuple[int, int], mode: str, interpolation: str
) -> None:
    preprocess = own(size=size, resize_mode=mode, interpolation=interpolation, fill_color=7)
    inputs = PictureInput(preprocess, exact=False)
    assert inputs.resize == "torch"
    for shape in SHAPES:
        if mode == "longest" and max(shape) > 40 * min(shape):
            continue
        for picture in (noise(*shape), extremes(*shape)):
            found = batch(inputs, [picture])[0].numpy().astype(int)
            apart = np.abs(found - steps(preprocess, picture))
            assert apart.max() <= 2, shape
            assert (apart == 2).sum() <= 1 + apart.size / 5_000, shape


def extremes(width: int, height: int) -> Image.Image:
    """Black and white at random: bicubic weights overshoot the most."""
    values = np.random.default_rng([1, width, height]).integers(0, 2, (height, width, 3))
    return Image.fromarray((values * 255).astype(np.uint8))


def test_torch_at_a_models_size_is_rarely_apart() -> None:
    preprocess = own(size=(224, 224))
    inputs = PictureInput(preprocess, exact=False)
    for shape in ((640, 480), (300, 400), (100, 80), (2_000, 1_500)):
        picture = noise(*shape).resize(shape, Image.Resampling.BICUBIC, (0, 0, 40, 30))  # smooth
        found = batch(inputs, [picture])[0].numpy().astype(int)
        apart = np.abs(found - steps(preprocess, picture))
        assert apart.max() <= 2
        assert 0 < (apart > 0).mean() < 0.01
        assert (apart > 1).mean() < 1e-4


def test_pictures_in_several_blocks_of_memory_are_read_too() -> None:
    picture = noise(2_300, 1_900)  # above Pillow's 16 MiB
    preprocess = own(size=(32, 32))
    found = batch(PictureInput(preprocess, exact=False), [picture])[0].numpy().astype(int)
    assert np.abs(found - steps(preprocess, picture)).max() <= 1


def test_one_axis_is_at_most_a_level_apart_and_pillow_takes_pictures_that_it_starts_below() -> None:
    drawn = np.random.default_rng(3)
    taken = 0
    for width, height, w, h in drawn.integers(3, 90, (400, 4)).tolist():
        picture = extremes(width, height)
        for size, most in (([h, w], 2), ([height, w], 1), ([h, width], 1)):
            fast = FastResize(resize=transforms.Resize(size, CUBIC), crop=None)
            found = fast(memory(picture))
            if found is None:
                taken += 1
                continue
            own = np.asarray(picture.resize(size[::-1], Image.Resampling.BICUBIC))
            apart = np.abs(found.astype(int) - own.transpose(2, 0, 1)).max()
            assert apart <= most, (width, height, size)
    assert 100 < taken < 600


@pytest.mark.parametrize(
    ("size", "most"), [(32, None), ([32], None), ((48, 20), None), (32, 50), ([32], 50)], ids=str
)
def test_sizes_are_torchvisions(size: Any, most: int | None) -> None:
    resize = transforms.Resize(size, max_size=most)
    for shape in SHAPES:
        if most and max(shape) > 40 * min(shape):
            continue  # a side of 0 pixels
        assert resized_size(resize, *shape[::-1]) == list(resize(noise(*shape)).size[::-1]), shape


def test_a_batch_is_normalised_as_each_picture_alone() -> None:
    preprocess = own(size=(32, 32))
    drawn = [noise(50, 40, number=number) for number in range(5)]
    for exact in (True, False):
        inputs = PictureInput(preprocess, exact=exact)
        together = inputs.normalise(batch(inputs, drawn))
        assert together.is_contiguous()
        assert together.dtype == torch.float32
        alone = [inputs.normalise(batch(inputs, [picture]))[0] for picture in drawn]
        assert torch.equal(together, torch.stack(alone))
    # The constants, made under inference, also serve training.
    with torch.inference_mode():
        inputs = PictureInput(preprocess, exact=True)
        inputs.normalise(batch(inputs, drawn))
    weight = torch.ones(3, 1, 1, requires_grad=True)
    (inputs.normalise(batch(inputs, drawn)) * weight).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda steps: steps[:-1],
        lambda steps: [transforms.RandomHorizontalFlip(), *steps],
        lambda steps: [*steps[:1], transforms.RandomCrop(32), *steps[2:]],
        lambda steps: [transforms.Resize(32), *steps[2:]],  # the width depends on the picture
        lambda steps: [*steps[:-1], transforms.Normalize((0.5,), (0.5,))],
        lambda steps: [*steps[:2], transforms.Grayscale(3), *steps[3:]],
        lambda steps: [open_clip.transform.ResizeKeepRatio(32, random_scale_prob=1.0), *steps[1:]],
    ],
)
def test_unknown_parts_leave_the_models_own_preprocessing_whole(change: Any) -> None:
    preprocess = transforms.Compose(change(own(size=(32, 32)).transforms))
    inputs = PictureInput(preprocess, exact=False)
    assert (inputs.resize, inputs.bytes_each) == ("pillow", None)
    picture = noise(32, 32)
    seed()
    expected = preprocess(picture)
    seed()
    found = batch(inputs, [picture])
    if isinstance(expected, torch.Tensor):
        assert torch.equal(inputs.normalise(found)[0], expected)


def seed() -> None:
    random.seed(0)
    torch.manual_seed(0)


def test_a_function_is_whole_and_other_resampling_is_pillows() -> None:
    inputs = PictureInput(lambda picture: torch.ones(3, 4, 4), exact=False)
    assert torch.equal(inputs.normalise(batch(inputs, [noise(9, 9)] * 2)), torch.ones(2, 3, 4, 4))
    steps = own(size=(32, 32)).transforms
    lanczos = transforms.Resize((32, 32), transforms.InterpolationMode.LANCZOS)
    preprocess = transforms.Compose([lanczos, *steps[2:]])
    assert PictureInput(preprocess, exact=False).resize == "pillow"
    picture = noise(70, 50)
    assert torch.equal(halves(preprocess, picture, exact=False), preprocess(picture))


def test_a_quarter_of_the_bytes() -> None:
    preprocess = own(size=(32, 48))
    inputs = PictureInput(preprocess, exact=True)
    assert inputs.bytes_each == 3 * 32 * 48
    whole = preprocess(noise(64, 64))
    assert batch(inputs, [noise(64, 64)]).nbytes * 4 == whole.nbytes


def test_memory_shared_with_pillow_outlives_the_picture() -> None:
    drawn = [noise(40, 30, number=number) for number in range(20)]
    expected = [np.asarray(picture).copy() for picture in drawn]
    shared = [memory(picture) for picture in drawn]
    del drawn
    gc.collect()
    others = [Image.new("RGB", (40, 30), "white") for _ in range(40)]
    for rows, values in zip(shared, expected, strict=True):
        np.testing.assert_array_equal(rows[:3].permute(1, 2, 0).numpy(), values)
    assert len(others) == 40
