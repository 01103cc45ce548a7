"""Only what is built alike takes the place of a tower; each difference is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from support import tiny_generators as tiny
from support.generator_place import Place
from transformers import (
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionModel,
)

from nsfwcaps.errors import ModelError
from nsfwcaps.generation.swap import put_image_tower, put_text_tower, tower_sha256
from nsfwcaps.generation.towers import TEXT, VISION, read_clip


def text_encoder(place: Place, kind: Any = CLIPTextModel) -> tuple[Any, Any]:
    encoder = kind.from_pretrained(place.exported)
    return encoder, CLIPTokenizer.from_pretrained(place.exported)


@pytest.mark.parametrize("kind", [CLIPTextModel, CLIPTextModelWithProjection])
def test_every_tensor_of_the_text_tower_is_replaced(kind: Any, place: Place) -> None:
    encoder, tokenizer = text_encoder(place, kind)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    clip = read_clip(place.other)
    put_text_tower(clip, encoder, tokenizer)
    same = [name for name, item in encoder.state_dict().items() if torch.equal(item, before[name])]
    assert [name for name in same if "projection" not in name] == []
    assert tower_sha256(encoder, TEXT) == clip.identity(TEXT)["weights_sha256"]


def test_every_tensor_of_the_image_tower_is_replaced(place: Place) -> None:
    tower = CLIPVisionModel.from_pretrained(place.exported)
    clip = read_clip(place.other)
    put_image_tower(clip, tower, CLIPImageProcessor.from_pretrained(place.exported))
    assert tower_sha256(tower, VISION) == clip.identity(VISION)["weights_sha256"]
    assert tower_sha256(tower, VISION) != read_clip(place.base).identity(VISION)["weights_sha256"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"quick_gelu": False}, "hidden_act is gelu, expected quick_gelu"),
        ({"text": {"layers": 3}}, "num_hidden_layers is 3, expected 2"),
        ({"text": {"width": 48, "heads": 3}}, "hidden_size is 48, expected 32"),
        ({"text": {"context_length": 64}}, "max_position_embeddings is 64, expected 77"),
    ],
)
def test_differences_of_the_text_tower(
    options: dict[str, Any], told: str, place: Place, tmp_path: Path
) -> None:
    encoder, tokenizer = text_encoder(place)
    before = tower_sha256(encoder, TEXT)
    clip = read_clip(tiny.write_clip(tmp_path / "differs", **options))
    with pytest.raises(ModelError, match=told):
        put_text_tower(clip, encoder, tokenizer)
    assert tower_sha256(encoder, TEXT) == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"quick_gelu": False}, "hidden_act is gelu, expected quick_gelu"),
        ({"vision": {"patch_size": 16}}, "patch_size is 16, expected 8"),
        ({"mean": [0.1, 0.2, 0.3]}, "different mean"),
    ],
)
def test_differences_of_the_image_tower(
    options: dict[str, Any], told: str, place: Place, tmp_path: Path
) -> None:
    tower = CLIPVisionModel.from_pretrained(place.exported)
    clip = read_clip(tiny.write_clip(tmp_path / "differs", **options))
    with pytest.raises(ModelError, match=told):
        put_image_tower(clip, tower, CLIPImageProcessor.from_pretrained(place.exported))


def test_a_tokenizer_that_gives_other_numbers(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "tokenizer"
    shutil.copytree(place.exported, folder)
    (folder / "tokenizer.json").unlink(missing_ok=True)
    words = json.loads((folder / "vocab.json").read_text())
    words["cat</w>"], words["dogs</w>"] = words["dogs</w>"], words["cat</w>"]
    (folder / "vocab.json").write_text(json.dumps(words))
    encoder, _ = text_encoder(place)
    with pytest.raises(ModelError, match="different token ids"):
        put_text_tower(read_clip(place.base), encoder, CLIPTokenizer.from_pretrained(folder))


def test_modules_of_another_class(place: Place) -> None:
    clip = read_clip(place.base)
    with pytest.raises(ModelError, match="text encoder is a Linear"):
        put_text_tower(clip, torch.nn.Linear(1, 1), None)
    with pytest.raises(ModelError, match="vision tower is a Linear"):
        put_image_tower(clip, torch.nn.Linear(1, 1), None)
