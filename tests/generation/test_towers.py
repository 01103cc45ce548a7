from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from support import tiny_generators as tiny
from support.generator_place import Place
from transformers import SiglipConfig, SiglipModel

from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.generation.towers import TEXT, VISION, check_available, read_clip

CAPTIONS = ["A red kite above a lake.", "Two cups; it's late", "word " * 100, ""]


@pytest.mark.parametrize("tower", [TEXT, VISION])
def test_an_export_is_the_model_itself(tower: str, place: Place) -> None:
    ours, theirs = read_clip(place.base), read_clip(str(place.exported))
    assert ours.tower(tower).keys() == theirs.tower(tower).keys()
    for name, tensor in ours.tower(tower).items():
        assert torch.equal(tensor, theirs.tower(tower)[name]), name
    own, other = ours.identity(tower), theirs.identity(tower)
    assert own["weights_sha256"] == other["weights_sha256"]
    assert own["activation"] == other["activation"] == "quick_gelu"
    assert ours.token_ids(CAPTIONS) == theirs.token_ids(CAPTIONS)
    assert ours.pixel_statistics == theirs.pixel_statistics
    for key, value in ours.config[tower].items():
        assert theirs.config[tower][key] == value, key


def test_a_run_has_towers_of_its_own(place: Place) -> None:
    base, run = read_clip(place.base), read_clip(str(place.run))
    assert run.name.startswith("safer")
    for tower in (TEXT, VISION):
        assert run.identity(tower)["weights_sha256"] != base.identity(tower)["weights_sha256"]


@pytest.mark.parametrize("tower", [TEXT, VISION])
def test_a_name_of_transformers_is_its_folder(tower: str, place: Place) -> None:
    plain, named = read_clip(str(place.exported)), read_clip(f"hf:{place.exported}")
    assert named.name == "hf:exported"
    assert named.identity(tower) == {**plain.identity(tower), "name": "hf:exported"}
    assert named.token_ids(CAPTIONS) == plain.token_ids(CAPTIONS)
    assert named.pixel_statistics == plain.pixel_statistics
    for key, value in plain.config[tower].items():
        assert named.config[tower][key] == value, key


def test_a_run_on_a_model_of_transformers(place: Place, tmp_path: Path) -> None:
    base = read_clip(str(place.exported))
    run = read_clip(str(tiny.write_run(tmp_path / "ours", f"hf:{place.exported}")))
    assert run.name.startswith("ours")
    for tower in (TEXT, VISION):
        assert run.tower(tower).keys() == base.tower(tower).keys()
        assert run.identity(tower)["weights_sha256"] != base.identity(tower)["weights_sha256"]


def test_models_of_transformers_without_clip_towers(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no folder"):
        read_clip(f"hf:{tmp_path / 'nosuch'}")
    with pytest.raises(ModelError, match="expected CLIPModel"):
        check_available(f"hf:{place.llava}", "--model x")
    towers = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    towers["num_attention_heads"] = 1
    folder = tmp_path / "siglip"
    shutil.copytree(place.exported, folder)
    (folder / "model.safetensors").unlink()
    SiglipModel(
        SiglipConfig(
            text_config={**towers, "vocab_size": 49408, "projection_size": 8},
            vision_config={**towers, "image_size": 32, "patch_size": 16},
        )
    ).save_pretrained(folder)
    with pytest.raises(ModelError, match="hf:siglip is a SiglipModel; only a CLIPModel's towers"):
        read_clip(f"hf:{folder}")


def test_names_are_without_private_folders(place: Place) -> None:
    assert "private" not in read_clip(place.base).name
    assert read_clip(str(place.exported)).name == "exported"


def test_what_is_no_model(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--model: unknown model"):
        read_clip(str(tmp_path / "nosuch"))
    with pytest.raises(ModelError, match="cannot be loaded as a CLIPModel"):
        read_clip(str(place.llava))


@pytest.mark.parametrize("name", ["mini", "minilm"])
def test_models_that_are_built_otherwise(name: str) -> None:
    with pytest.raises(ModelError, match="tower"):
        read_clip(name)
