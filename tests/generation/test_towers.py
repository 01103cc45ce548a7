from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.generator_place import Place

from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.generation.towers import TEXT, VISION, read_clip

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
