"""Folders and names that are no model of transformers: one line each, before any other work."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from support import transformers_models
from support.shell import call
from support.transformers_models import edit

from nsfwcaps.errors import ModelError
from nsfwcaps.models import available, create

Damage = Callable[[Path], Any]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A whole folder of each kind."""
    folder = tmp_path_factory.mktemp("models")
    for kind in ("clip", "siglip", "siglip2"):
        transformers_models.write(folder / kind, kind)
    return {kind: folder / kind for kind in ("clip", "siglip", "siglip2")}


def removed(*names: str) -> Damage:
    return lambda folder: [(folder / name).unlink() for name in names]


def config(**values: Any) -> Damage:
    return lambda folder: edit(folder / "config.json", **values)


def tower(name: str, **values: Any) -> Damage:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        edit(path, **{name: {**json.loads(path.read_bytes())[name], **values}})

    return change


def pictures(**values: Any) -> Damage:
    return lambda folder: edit(folder / "preprocessor_config.json", **values)


def tokens(**values: Any) -> Damage:
    return lambda folder: edit(folder / "tokenizer_config.json", **values)


def written(name: str, content: str) -> Damage:
    return lambda folder: (folder / name).write_text(content)


def cut(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 5000)


def without_a_tensor(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors["visual_projection.weight"]
    save_file(tensors, path, metadata={"format": "pt"})


def without_a_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"logit_scale": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


class Hostile:
    """Would make a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (Path(self._path),)


def hostile(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with (folder / "pytorch_model.bin").open("wb") as file:
        pickle.dump(Hostile(str(folder / "ran")), file)


NEEDS = "expected CLIPModel, SiglipModel or Siglip2Model with tokenizer and image processor"
SEEN: dict[str, tuple[str, Damage, str]] = {
    "no-config": ("clip", removed("config.json"), f"has no config.json; {NEEDS}"),
    "bad-config": ("clip", written("config.json", "{"), "config.json is missing or damaged"),
    "bert": ("clip", config(model_type="bert"), f"another architecture (model_type bert); {NEEDS}"),
    "no-type": ("clip", written("config.json", "{}"), "another architecture (model_type None)"),
    "text-only": ("clip", config(model_type="clip_text_model"), "of a single tower"),
    "no-tokenizer": ("clip", removed("tokenizer.json"), "the folder has no tokenizer"),
    "no-processor": ("siglip", removed("preprocessor_config.json"), "has no image processor"),
    "no-weights": ("clip", removed("model.safetensors"), "the folder has no weights"),
    "cut": ("clip", cut, "model.safetensors is damaged, incomplete or a pointer of Git LFS (5,000"),
    "empty": ("clip", written("model.safetensors", ""), "a pointer of Git LFS (0 bytes)"),
    "pointer": ("clip", written("model.safetensors", "version https://git-lfs"), "(23 bytes)"),
    "shard": ("clip", without_a_shard, "model-00001-of-00002.safetensors of model.safetensors.in"),
}
LOADED: dict[str, tuple[str, Damage, str]] = {
    "tensor": ("clip", without_a_tensor, "1 tensors are missing, such as visual_projection.weight"),
    "hostile": ("clip", hostile, "cannot be loaded as CLIPModel"),
    "layers": ("clip", tower("text_config", num_hidden_layers=1), "16 tensors are left over"),
    "width": ("clip", tower("text_config", intermediate_size=64), "shapes are not those of config"),
    "head": ("siglip", tower("vision_config", vision_use_head=False), "11 tensors are left over"),
    "kind": ("siglip2", config(model_type="siglip"), "shapes are not those of config.json"),
    "crop": (
        "clip",
        pictures(crop_size={"height": 48, "width": 64}),
        "makes 64 x 48 pixels, but its image tower reads 32 x 32 pixels",
    ),
    "no-crop": ("clip", pictures(do_center_crop=False), "it makes pictures of many sizes"),
    "longest": ("clip", pictures(size={"longest_edge": 32}), "it resizes by longest_edge"),
    "pads": ("clip", pictures(do_pad=True), "it pads pictures (do_pad)"),
    "blip": ("clip", pictures(image_processor_type="BlipImageProcessor"), "it is a BlipImageProc"),
    "grey": ("clip", pictures(image_mean=[0.5], image_std=[0.5]), "not normalise three channels"),
    "bad-pictures": (
        "clip",
        written("preprocessor_config.json", "{"),
        "cannot be loaded",
    ),
    "patches": ("siglip2", pictures(patch_size=16), "cuts patches of 16 pixels"),
    "no-patches": (
        "siglip2",
        pictures(image_processor_type="SiglipImageProcessor"),
        "is a SiglipImageProcessor; expected Siglip2ImageProcessor",
    ),
    "bad-tokens": ("clip", written("tokenizer.json", "{"), "its tokenizer cannot be loaded"),
    "left": ("clip", tokens(padding_side="left"), "its tokenizer pads on the left"),
    "no-pad": ("siglip", tokens(pad_token=None), "its tokenizer has no pad token"),
    "vocabulary": ("clip", tower("text_config", vocab_size=20), "shapes are not those of config"),
}


@pytest.mark.parametrize("name", SEEN)
def test_what_is_seen_before_anything_is_loaded(
    name: str, models: dict[str, Path], tmp_path: Path
) -> None:
    kind, damage, said = SEEN[name]
    folder = tmp_path / "model"
    shutil.copytree(models[kind], folder)
    damage(folder)
    with pytest.raises(ModelError) as error:
        available.check(f"hf:{folder}", "train.model", reaching=False)
    assert str(error.value).startswith(f"train.model: 'hf:{folder}': ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", LOADED)
def test_what_is_seen_when_it_is_loaded(name: str, models: dict[str, Path], tmp_path: Path) -> None:
    kind, damage, said = LOADED[name]
    folder = tmp_path / "model"
    shutil.copytree(models[kind], folder)
    damage(folder)
    with pytest.raises(ModelError) as error:
        create.load_dual(f"hf:{folder}")
    assert str(error.value).startswith(f"embed.model: 'hf:{folder}': ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (folder / "ran").exists()


def test_a_tokenizer_of_another_model_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(models["siglip"], tmp_path / "model")
    larger = transformers_models.letters()
    larger.add_tokens([f"<{number}>" for number in range(100)])
    larger.save_pretrained(tmp_path / "model")
    with pytest.raises(ModelError, match="knows 130 tokens, but its text tower 64; copy"):
        create.load_dual(f"hf:{tmp_path / 'model'}")


@pytest.mark.parametrize("place", ["/nowhere/clip", "clip", "a/b/c", "a b/c!", "./clip", "~/clip"])
def test_what_is_neither_a_folder_nor_an_id(place: str) -> None:
    with pytest.raises(ModelError, match=r"there is no folder .*; check its path, or name a model"):
        available.check(f"hf:{place}", "embed.model", reaching=False)


def test_an_id_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://nowhere.invalid")
    available.check("hf:acme/clip", "embed.model", reaching=False)
    with pytest.raises(ModelError, match=r"acme/clip is not in .*give the folder of a copy"):
        available.check("hf:acme/clip@v1", "embed.model")


def test_a_build_stops_before_ingest(models: dict[str, Path], tmp_path: Path) -> None:
    for label in ("safe", "unsafe"):
        (tmp_path / f"{label}.csv").write_text("caption\nA vase on a table\n")
    pools = [f"--{label}={tmp_path / label}.csv" for label in ("safe", "unsafe")]
    shutil.copytree(models["clip"], tmp_path / "model")
    (tmp_path / "model" / "preprocessor_config.json").unlink()
    out = tmp_path / "run"
    said = call("build", *pools, "--out", out, "--model", f"hf:{tmp_path / 'model'}")
    assert (said.code, said.err.count("\n")) == (5, 1)
    assert "the folder has no image processor" in said.err
    assert not out.exists()


def test_a_copy_in_the_cache_of_the_hub_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "a" * 40
    folder = tmp_path / "models--acme--clip"
    transformers_models.write(folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://nowhere.invalid")
    for name in ("hf:acme/clip", f"hf:acme/clip@{commit}"):
        available.check(name, "embed.model")
        assert create.load_dual(name).identity.name == name
