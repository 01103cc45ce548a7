"""A bare state dict is the text encoder itself, however its authors stored it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from support.generator_place import Place
from transformers import CLIPModel, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.generation.swap import put_image_tower, put_text_tower, tower_sha256
from nsfwcaps.generation.text_state import check_text_state, read_text_state
from nsfwcaps.generation.towers import TEXT, read_clip

Tensors = dict[str, Any]

TOKENS = "embeddings.token_embedding.weight"
NORM = "final_layer_norm.bias"


@pytest.fixture(scope="module")
def tower(place: Place) -> Tensors:
    """The text tower of the model `other`, without any prefix."""
    return read_clip(place.other).tower(TEXT)


def renamed(tower: Mapping[str, Any], prefix: str) -> Tensors:
    return {f"{prefix}{name}": tensor for name, tensor in tower.items()}


def saved(folder: Path, content: object, name: str = "SAGE.pt") -> str:
    torch.save(content, folder / name)
    return f"state:{folder / name}"


STORED: dict[str, Callable[[Tensors], object]] = {
    "without prefix": lambda tower: tower,
    "as older transformers name it": lambda tower: renamed(tower, "text_model."),
    "with position_ids": lambda tower: {
        **renamed(tower, "text_model."),
        "text_model.embeddings.position_ids": torch.arange(77)[None],
    },
    "of a process group": lambda tower: renamed(tower, "module.text_model."),
    "in a checkpoint": lambda tower: {"epoch": 3, "state_dict": renamed(tower, "text_model.")},
    "twice wrapped": lambda tower: {"model": {"state_dict": tower}},
    "of a whole pipeline": lambda tower: {
        **renamed(tower, "text_encoder.text_model."),
        "unet.conv_in.weight": torch.zeros(1),
    },
    "of Stable Diffusion's own code": lambda tower: {
        "state_dict": {
            **renamed(tower, "cond_stage_model.transformer.text_model."),
            "model.diffusion_model.out.0.weight": torch.zeros(1),
        }
    },
    "of a CLIPModel": lambda tower: {
        **renamed(tower, "text_model."),
        "vision_model.post_layernorm.bias": torch.zeros(2),
        "text_projection.weight": torch.zeros(2),
        "logit_scale": torch.zeros(()),
    },
    "as parameters": lambda tower: {
        name: torch.nn.Parameter(tensor) for name, tensor in tower.items()
    },
}


@pytest.mark.parametrize("stored", [*STORED])
@pytest.mark.parametrize("kind", [CLIPTextModel, CLIPTextModelWithProjection])
def test_it_is_the_text_encoder_itself(
    kind: Any, stored: str, tower: Tensors, place: Place, tmp_path: Path
) -> None:
    encoder = kind.from_pretrained(place.exported)
    tokenizer = CLIPTokenizer.from_pretrained(place.exported)
    expected = read_clip(place.other).identity(TEXT)["weights_sha256"]
    assert tower_sha256(encoder, TEXT) != expected
    state = read_text_state(saved(tmp_path, STORED[stored](tower)))
    put_text_tower(state, encoder, tokenizer)
    assert tower_sha256(encoder, TEXT) == expected
    assert state.identity() == {"name": "state:SAGE.pt", "weights_sha256": expected}


def test_safetensors_and_half_precision(tower: Tensors, place: Place, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    save_file({name: tensor.half() for name, tensor in tower.items()}, path)
    encoder = CLIPTextModel.from_pretrained(place.exported)
    put_text_tower(read_text_state(f"state:{path}"), encoder, None)
    (loaded,) = (item for name, item in encoder.state_dict().items() if name.endswith(NORM))
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, tower[NORM].half().float())


def test_the_state_dict_of_the_pipeline_changes_nothing(place: Place, tmp_path: Path) -> None:
    encoder = CLIPTextModel.from_pretrained(place.exported)
    before = tower_sha256(encoder, TEXT)
    whole = CLIPModel.from_pretrained(place.exported).state_dict()
    put_text_tower(read_text_state(saved(tmp_path, dict(whole))), encoder, None)
    assert tower_sha256(encoder, TEXT) == before


def without(tower: Tensors, *names: str) -> Tensors:
    return {name: tensor for name, tensor in tower.items() if name not in names}


MISFITS: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "missing": (lambda tower: without(tower, NORM), f"1 tensor is missing: {NORM}"),
    "a layer missing": (
        lambda tower: {name: item for name, item in tower.items() if ".layers.1." not in name},
        r"16 tensors are missing: encoder\.layers\.1\.\S+, \S+, \S+, …",
    ),
    "unexpected": (
        lambda tower: {**tower, "head.weight": torch.zeros(1)},
        "1 tensor is unexpected: head.weight",
    ),
    "shape": (
        lambda tower: {**tower, TOKENS: torch.zeros(9, 32)},
        r"token_embedding.weight has the shape \(9, 32\), expected \(49408, 32\)",
    ),
}


@pytest.mark.parametrize("case", [*MISFITS])
def test_what_does_not_fit_is_named(
    case: str, tower: Tensors, place: Place, tmp_path: Path
) -> None:
    change, message = MISFITS[case]
    encoder = CLIPTextModel.from_pretrained(place.exported)
    before = tower_sha256(encoder, TEXT)
    with pytest.raises(ModelError, match=message):
        put_text_tower(read_text_state(saved(tmp_path, change(tower))), encoder, None)
    assert tower_sha256(encoder, TEXT) == before


UNUSABLE: dict[str, tuple[Callable[[Tensors], object], str]] = {
    "list": (lambda tower: [*tower.values()], "holds list; expected the state dict"),
    "empty": (lambda tower: {}, "an empty state dict"),
    "a whole module": (lambda tower: torch.nn.Linear(1, 1), "other Python objects"),
    "two towers": (
        lambda tower: {**renamed(tower, "a."), **renamed(tower, "b.")},
        "holds 2 text towers: a., b.",
    ),
    "open_clip": (
        lambda tower: {"transformer.resblocks.0.ln_1.weight": torch.zeros(1)},
        "write open_clip:MODEL/FILE",
    ),
    "adapters": (
        lambda tower: {"q_proj.lora_A.weight": torch.zeros(1)},
        "adapters alone, such as q_proj.lora_A.weight",
    ),
    "another model": (lambda tower: {"fc.weight": torch.zeros(1)}, "but such as fc.weight"),
    "numbered": (lambda tower: {0: torch.zeros(1)}, "but such as 0"),
    "no tensor": (lambda tower: {**tower, NORM: 3}, f"{NORM} is a int; expected a tensor"),
    "quantised": (
        lambda tower: {**tower, NORM: torch.zeros(32, dtype=torch.int8)},
        f"{NORM} holds torch.int8 numbers",
    ),
    "NaN": (
        lambda tower: {**tower, NORM: torch.full((32,), math.nan)},
        f"{NORM} holds numbers that are not finite",
    ),
}


@pytest.mark.parametrize("case", [*UNUSABLE])
def test_files_of_something_else(case: str, tower: Tensors, tmp_path: Path) -> None:
    content, message = UNUSABLE[case]
    with pytest.raises(ModelError, match=message) as raised:
        read_text_state(saved(tmp_path, content(tower)))
    assert str(raised.value).startswith("state:SAGE.pt: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "data",
    [b"", b"version https://git-lfs.github.com/spec/v1\n", b"<!DOCTYPE html>", b"PK\x03\x04cut"],
    ids=["empty", "pointer", "page", "cut"],
)
@pytest.mark.parametrize("name", ["SAGE.pt", "SAGE.safetensors"])
def test_damaged_files(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelError, match=f"^state:{name}: cannot be read") as raised:
        read_text_state(f"state:{tmp_path / name}")
    assert "\n" not in str(raised.value)


def test_a_file_cut_short(tower: Tensors, tmp_path: Path) -> None:
    name = saved(tmp_path, tower)
    path = tmp_path / "SAGE.pt"
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ModelError, match="cannot be read"):
        read_text_state(name)


def test_a_pickle_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    with pytest.raises(ModelError, match="cannot be read as tensors alone"):
        read_text_state(saved(tmp_path, {"state_dict": Evil()}))
    assert not (tmp_path / "ran").exists()


def test_paths(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lacks its file"):
        check_text_state("state:", "--model x")
    with pytest.raises(ModelError, match=r"--model x: there is no file .*nosuch\.pt"):
        check_text_state(f"state:{tmp_path / 'nosuch.pt'}", "--model x")
    with pytest.raises(ModelError, match="is a folder"):
        check_text_state(f"state:{tmp_path}", "--model x")


def test_it_has_no_image_tower(tower: Tensors, tmp_path: Path) -> None:
    state = read_text_state(saved(tmp_path, tower))
    vision = type("CLIPVisionModel", (), {})()
    with pytest.raises(ModelError, match=r"state:SAGE\.pt holds a text encoder"):
        put_image_tower(state, vision, None)
