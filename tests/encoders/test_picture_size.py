"""Pictures that a model's resizing makes huge, or less than a pixel wide: a reason, at no cost."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from support.odd_pictures import file_of, scene
from torchvision import transforms

from nsfwcaps.encoders.picture_batches import PictureReader
from nsfwcaps.encoders.picture_input import PictureInput
from nsfwcaps.encoders.picture_size import unusable_size
from nsfwcaps.errors import InputError, ModelError
from nsfwcaps.work import WorkSplit

LINES = [(1, 5_000), (5_000, 1)]


def own(**settings: Any) -> Any:
    """The preprocessing that open_clip makes."""
    return image_transform_v2(PreprocessCfg(**{"size": (224, 224), **settings}), False)


def in_whole(preprocess: Any) -> Any:
    """The same with a step of the model's own, so that it is not split."""
    return transforms.Compose([*preprocess.transforms, transforms.Lambda(lambda made: made)])


def line(shape: tuple[int, int], kind: str = "PNG") -> bytes:
    return file_of(Image.new("RGB", shape, "grey"), kind)


def reasons(inputs: PictureInput, files: list[bytes]) -> tuple[dict[int, str], int]:
    """Failures by position, and how many pictures were prepared."""
    reader = PictureReader(inputs, workers=2, pinned=False)
    gets = [("", lambda data=data: data) for data in files]
    failed: dict[int, str] = {}
    good = 0
    for batch in reader.batches(gets, lambda: 4, WorkSplit()):
        failed |= batch.failed
        good += 0 if batch.pixels is None else len(batch.pixels)
    return failed, good


@pytest.fixture
def _little_memory() -> Iterator[None]:
    """Allow 600 MB more than now: a fifth of what two such pictures took."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 600 * 2**20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.usefixtures("_little_memory")
@pytest.mark.parametrize(
    ("mode", "reason"), [("shortest", "image_too_large"), ("longest", "image_undecodable")]
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("make", ["split, pillow", "split, torch", "whole"])
def test_lines_of_pixels_have_a_reason_and_other_pictures_are_read(
    make: str, kind: str, mode: str, reason: str
) -> None:
    preprocess = own(resize_mode=mode)
    if make == "whole":
        preprocess = in_whole(preprocess)
    inputs = PictureInput(preprocess, exact=make != "split, torch")
    assert (inputs.bytes_each is None) == (make == "whole")
    files = [line(LINES[0], kind), file_of(scene()), line(LINES[1], kind), file_of(scene())]
    assert reasons(inputs, files) == ({0: reason, 2: reason}, 2)
    with pytest.raises(InputError, match=rf"cannot decode a picture \({reason}\)"):
        inputs.batch([partial(line, LINES[0], kind)], "a picture")


def test_squashed_lines_are_read() -> None:
    inputs = PictureInput(own(resize_mode="squash"), exact=True)
    assert reasons(inputs, [line(shape) for shape in LINES]) == ({}, 2)


def test_the_limit_is_that_of_decoding() -> None:
    # 178,956,970 pixels: 224 x 798,914 are the last that fit.
    shortest = transforms.Resize(224)
    assert unusable_size(shortest, 1, 3_566) is None
    assert unusable_size(shortest, 1, 3_567) == "image_too_large"
    assert unusable_size(shortest, 3_567, 1) == "image_too_large"
    longest = own(resize_mode="longest").transforms[0]
    assert unusable_size(longest, 1, 447) is None
    assert unusable_size(longest, 1, 449) == "image_undecodable"
    assert unusable_size(None, 1, 10**9) is None


def test_the_first_resizing_of_a_models_own_steps_counts() -> None:
    steps = own().transforms
    flipped = transforms.Compose([transforms.RandomHorizontalFlip(), *steps])
    assert PictureInput(flipped, exact=True)._resize is None
    converted = transforms.Compose([steps[2], steps[0], *steps[1:]])
    assert PictureInput(converted, exact=True)._resize is steps[0]


def picky(picture: Image.Image) -> torch.Tensor:
    """A model's own function, which cannot deal with pictures of one row."""
    if picture.height == 1:
        raise ZeroDivisionError("float division by zero")
    return torch.from_numpy(np.array(picture.resize((4, 4)))).permute(2, 0, 1) / 255


def broken(picture: Image.Image) -> torch.Tensor:
    raise ZeroDivisionError("float division by zero")


def test_a_picture_with_which_the_models_function_fails_is_counted() -> None:
    inputs = PictureInput(picky, exact=True)
    files = [file_of(scene()), line((9, 1)), file_of(scene()), line((8, 1))]
    assert reasons(inputs, files) == ({1: "image_undecodable", 3: "image_undecodable"}, 2)


def test_a_function_that_fails_with_every_picture_ends_the_run() -> None:
    message = r"fails on a plain picture too \(ZeroDivisionError: float division by zero\)"
    inputs = PictureInput(broken, exact=True)
    with pytest.raises(ModelError, match=message):
        reasons(inputs, [file_of(scene())])
    with pytest.raises(ModelError, match=message):
        inputs.batch([partial(file_of, scene())], "a picture")
