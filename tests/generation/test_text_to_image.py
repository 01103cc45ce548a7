"""A real pipeline, tiny: the swap shows in the pictures, and only the swap."""

from __future__ import annotations

import io
import logging
from itertools import chain
from pathlib import Path

import pytest
from PIL import Image
from support import tiny_generators as tiny
from support.generator_place import Place

from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.generation.prompts import Prompt
from nsfwcaps.generation.text_to_image import (
    Drawing,
    TextToImage,
    TextToImageSampling,
    batches,
    drawings,
)
from nsfwcaps.generation.towers import read_clip

TEXTS = ("a red kite above a lake", "a cup on a table", "two dogs")


def prompt(text: str, **options: object) -> Prompt:
    plain = {"categories": (), "seed": 0, "guidance_scale": None, "width": None, "height": None}
    return Prompt(**{"text": text, **plain, **options})  # type: ignore[arg-type]


WANTED = [Drawing(prompt=prompt(text), seed=7) for text in TEXTS]


@pytest.fixture(scope="module")
def drawer(place: Place) -> TextToImage:
    return TextToImage(
        str(place.pipeline), TextToImageSampling(steps=2), Device.CPU, Precision.FP32
    )


@pytest.fixture(scope="module")
def own(drawer: TextToImage) -> list[bytes]:
    """Pictures of the pipeline as it is."""
    drawer.put(None)
    return drawer.draw(WANTED)


@pytest.mark.parametrize("name", ["base", "exported"])
def test_equal_weights_change_nothing(
    name: str, drawer: TextToImage, own: list[bytes], place: Place
) -> None:
    drawer.put(None)
    before = drawer.identity
    drawer.put(read_clip(str(getattr(place, name))))
    assert drawer.draw(WANTED) == own
    assert drawer.identity == before


@pytest.mark.parametrize("name", ["other", "run"])
def test_another_tower_changes_the_pictures(
    name: str, drawer: TextToImage, own: list[bytes], place: Place
) -> None:
    drawer.put(None)
    before = drawer.identity
    drawer.put(read_clip(str(getattr(place, name))))
    assert all(one != two for one, two in zip(drawer.draw(WANTED), own, strict=True))
    assert drawer.identity != before
    drawer.put(None)
    assert drawer.draw(WANTED) == own
    assert drawer.identity == before


def test_prompt_seed_and_guidance_decide(drawer: TextToImage, own: list[bytes]) -> None:
    drawer.put(None)
    assert len({*own}) == len(TEXTS)
    seeded = drawer.draw([Drawing(prompt=WANTED[0].prompt, seed=8)])
    guided = drawer.draw([Drawing(prompt=prompt(TEXTS[0], guidance_scale=1.5), seed=7)])
    assert len({own[0], *seeded, *guided}) == 3


def test_a_picture_does_not_depend_on_its_batch(drawer: TextToImage, own: list[bytes]) -> None:
    """Its noise is its own; what is left is rounding, which shows in single steps of 1/255."""
    drawer.put(None)
    for data, alone in zip(own, (drawer.draw([item])[0] for item in WANTED), strict=True):
        pictures = [Image.open(io.BytesIO(item)).tobytes() for item in (data, alone)]
        assert max(abs(a - b) for a, b in zip(*pictures, strict=True)) <= 1


def test_the_size_that_a_prompt_names(drawer: TextToImage) -> None:
    (data,) = drawer.draw([Drawing(prompt=prompt("a cup", width=32, height=24), seed=0)])
    assert Image.open(io.BytesIO(data)).size == (32, 24)
    (data,) = drawer.draw([Drawing(prompt=prompt("a cup"), seed=0)])
    assert Image.open(io.BytesIO(data)).size == (tiny.SIDE, tiny.SIDE)


def test_a_long_prompt_is_not_logged(
    drawer: TextToImage, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        drawer.draw([Drawing(prompt=prompt("quillbrook " * 100), seed=0)])
    said = capfd.readouterr()
    assert "quillbrook" not in caplog.text + said.out + said.err


def test_batches_are_of_one_size_and_guidance() -> None:
    prompts = [prompt("a"), prompt("b", width=32), prompt("c"), prompt("d", guidance_scale=1.0)]
    rows = drawings([*prompts, prompt("e")], 2)
    assert [item.seed for item in rows[0]] == [0, 1]
    found = [[item.prompt.text for item in batch] for batch in batches([*chain(*rows)], 4)]
    assert found == [["a", "a", "c", "c"], ["e", "e"], ["b", "b"], ["d", "d"]]


def test_what_is_no_pipeline(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load a diffusers pipeline"):
        TextToImage(str(tmp_path), TextToImageSampling(), Device.CPU, Precision.FP32)
    with pytest.raises(ConfigError, match="--steps"):
        TextToImageSampling(steps=0)
