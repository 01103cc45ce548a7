"""A real LLaVA, tiny: the swap shows in the captions, and only the swap."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import tiny_generators as tiny
from support.generator_place import Place
from support.odd_pictures import claiming, file_of, scene, turned

from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, InputError, ModelError
from nsfwcaps.generation.image_to_text import Captioning, ImageToText
from nsfwcaps.generation.towers import read_clip

CAPTIONING = Captioning(template=tiny.TEMPLATE, new_tokens=12)
SCENE = scene(48, 40)
PICTURES = [tiny.picture(seed) for seed in range(5)]


@pytest.fixture(scope="module")
def writer(place: Place) -> ImageToText:
    return ImageToText(str(place.llava), CAPTIONING, Device.CPU, Precision.FP32)


@pytest.fixture(scope="module")
def own(writer: ImageToText) -> list[str]:
    writer.put(None)
    return writer.caption(PICTURES)


@pytest.mark.parametrize("name", ["base", "exported"])
def test_equal_weights_change_nothing(
    name: str, writer: ImageToText, own: list[str], place: Place
) -> None:
    writer.put(None)
    before = writer.identity
    writer.put(read_clip(str(getattr(place, name))))
    assert writer.caption(PICTURES) == own
    assert writer.identity == before


@pytest.mark.parametrize("name", ["other", "run"])
def test_another_tower_changes_the_captions(
    name: str, writer: ImageToText, own: list[str], place: Place
) -> None:
    writer.put(None)
    before = writer.identity
    writer.put(read_clip(str(getattr(place, name))))
    assert writer.caption(PICTURES) != own
    assert writer.identity != before
    writer.put(None)
    assert writer.caption(PICTURES) == own


def test_captions_are_the_new_words_alone(writer: ImageToText, own: list[str]) -> None:
    assert all(caption and "<image>" not in caption for caption in own)
    assert all(len(caption.split()) <= CAPTIONING.new_tokens for caption in own)
    writer.put(None)
    assert [writer.caption([item])[0] for item in PICTURES] == own


def test_pictures_are_described_upright(writer: ImageToText) -> None:
    writer.put(None)
    upright, twin, lying = (
        writer.caption([data])[0]
        for data in (file_of(SCENE), turned(SCENE), file_of(SCENE.rotate(90, expand=True)))
    )
    assert twin == upright != lying
    assert writer.identity["decoder"] == 1
    with pytest.raises(InputError, match="image_too_large"):
        writer.caption([claiming(20_000, 20_000)])


def test_what_is_no_llava(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load a processor"):
        ImageToText(str(tmp_path), CAPTIONING, Device.CPU, Precision.FP32)
    with pytest.raises(ConfigError, match="<image> exactly once"):
        Captioning(template="describe it")
    with pytest.raises(ConfigError, match="--new-tokens"):
        Captioning(new_tokens=0)
