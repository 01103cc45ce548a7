"""Models are looked for before any stage runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants
from support.shell import call

from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.models import available, names


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("open_clip:ViT-B-32/opnai", "no weights with the tag 'opnai'; did you mean openai?"),
        ("open_clip:ViT-B-23/openai", "no architecture 'ViT-B-23'; did you mean ViT-B-32"),
        ("open_clip:ViT-B-32/zzz", "no weights with the tag 'zzz'; it has openai, "),
        ("open_clip:ViT-B-32/weights/none.pt", "there is no checkpoint weights/none.pt"),
        ("local-dir:nowhere", "there is no folder nowhere; check its path"),
    ],
)
def test_names_that_cannot_be_loaded(model: str, said: str) -> None:
    with pytest.raises(ModelError, match=r"^train\.model: ") as error:
        available.check(model, "train.model", reaching=False)
    assert said in str(error.value)


@pytest.mark.parametrize("model", ["mini", "minilm"])
def test_bundled_models_are_there(model: str) -> None:
    available.check(model, "embed.model")


@pytest.mark.parametrize(
    ("model", "repository"),
    [
        ("open_clip:ViT-B-32/openai", "timm/vit_base_patch32_clip_224.openai"),
        ("open_clip:roberta-ViT-B-32/laion2b_s12b_b32k", "roberta-base"),
        ("hf-hub:acme/clip", "acme/clip"),
    ],
)
def test_published_weights_that_are_out_of_reach(
    model: str, repository: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://nowhere.invalid")
    with pytest.raises(ModelError, match=f"{repository} is not in .*nowhere.invalid does not"):
        available.check(model, "embed.model")


def test_a_build_stops_before_ingest(tmp_path: Path) -> None:
    for label in ("safe", "unsafe"):
        (tmp_path / f"{label}.csv").write_text("caption\nA vase on a table\n")
    pools = [f"--{label}={tmp_path / label}.csv" for label in ("safe", "unsafe")]
    out = tmp_path / "run"
    said = call("build", *pools, "--out", out, "--model", "open_clip:ViT-B-32/openai")
    assert said.code == 5
    assert "embed.model: 'open_clip:ViT-B-32/openai'" in said.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("model", "meant"),
    [("minlm", "minilm"), ("open_clip:hf-hub:acme/clip", "hf-hub:acme/clip")],
)
def test_what_is_nearly_right_is_suggested(model: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"; expected minilm, .*; did you mean {meant}\?$"):
        available.check(model, "embed.model", reaching=False)


def test_training_never_suggests_a_model_of_captions() -> None:
    said = names.problem("minlm", images=True)
    assert said is not None
    assert said.endswith("; did you mean mini?")
    assert "minilm" not in said
