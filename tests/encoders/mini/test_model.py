"""The bundled dual encoder: its parts, its checkpoints, and what its tools get wrong in silence."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
import transformers
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nsfwcaps.encoders.mini import model as mini
from nsfwcaps.encoders.token_counts import minilm_folder
from nsfwcaps.runtime.weights import weights_sha256

Saved = Callable[[Any, Path], None]

CAPTIONS = ["a vase on a table", "a handgun on a table", "two dogs run along a beach at sunset"]


@pytest.fixture(scope="module")
def made() -> tuple[Any, Any, Any]:
    return mini.create(heads=None)


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    """Preprocessed pictures `[4, 3, 64, 64]`: noise around different colours."""
    generator = torch.Generator().manual_seed(0)
    colours = torch.rand((4, 3, 1, 1), generator=generator) * 2 - 1
    noise = torch.randn((4, 3, 64, 64), generator=generator) * 0.3
    return (colours + noise).clamp(-1, 1)


def save_pt(model: Any, path: Path) -> None:
    torch.save(model.state_dict(), path)


def save_training(model: Any, path: Path) -> None:
    """As open_clip's trainer does, on several GPUs."""
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"epoch": 1, "name": "run", "state_dict": state}, path)


def save_safetensors(model: Any, path: Path) -> None:
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)


CHECKPOINTS = pytest.mark.parametrize(
    ("name", "save"),
    [
        ("whole.pt", save_pt),
        ("training.pt", save_training),
        ("whole.safetensors", save_safetensors),
    ],
)


@CHECKPOINTS
def test_a_checkpoint_gives_back_the_model_and_its_preprocessing(
    made: tuple[Any, Any, Any], tmp_path: Path, name: str, save: Saved
) -> None:
    """The trap: open_clip itself reverts to OpenAI's mean and deviation here."""
    save(made[0], tmp_path / name)
    model, preprocess, _ = mini.create(str(tmp_path / name))
    assert weights_sha256(model.state_dict()) == weights_sha256(made[0].state_dict())
    assert model.visual.preprocess_cfg == made[0].visual.preprocess_cfg
    assert model.visual.preprocess_cfg["mean"] == model.visual.preprocess_cfg["std"] == (0.5,) * 3
    grey = preprocess(Image.new("RGB", (40, 30), (255, 0, 51)))
    expected = torch.tensor([1.0, -1.0, -0.6]).reshape(3, 1, 1).expand(3, 224, 224)
    torch.testing.assert_close(grey, expected)
    reverted = open_clip.create_model(mini.ARCHITECTURE, str(tmp_path / name))
    assert reverted.visual.preprocess_cfg["mean"] != (0.5,) * 3


def test_checkpoints_load_strictly_from_and_into_open_clips_own_model(
    made: tuple[Any, Any, Any], tmp_path: Path
) -> None:
    plain = open_clip.create_model(mini.ARCHITECTURE, pretrained_text=False)
    plain.load_state_dict(made[0].state_dict(), strict=True)
    assert weights_sha256(plain.state_dict()) == weights_sha256(made[0].state_dict())
    torch.nn.init.ones_(plain.visual.trunk.bn1.num_batches_tracked)
    made_again, _, _ = mini.create(heads=None)
    made_again.load_state_dict(plain.state_dict(), strict=True)
    assert weights_sha256(made_again.state_dict()) == weights_sha256(plain.state_dict())
    save_pt(plain, tmp_path / "plain.pt")
    again, _, _ = mini.create(str(tmp_path / "plain.pt"))
    assert weights_sha256(again.state_dict()) == weights_sha256(plain.state_dict())


def test_pictures_of_the_right_size_are_not_resampled(made: tuple[Any, Any, Any]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    got = made[1](Image.fromarray(pixels))
    expected = (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - 0.5) / 0.5
    assert torch.equal(got, expected)


def test_captions_are_pooled_by_the_mean_over_their_own_tokens(
    made: tuple[Any, Any, Any],
) -> None:
    """The trap: the first token is open_clip's own choice for a BERT, and gives other numbers."""
    folder = str(minilm_folder())
    minilm = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    split = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model, _, tokenizer = made
    assert tokenizer(CAPTIONS).shape == (3, 77)
    with torch.inference_mode():
        got = model.encode_text(tokenizer(CAPTIONS))
        for row, caption in enumerate(CAPTIONS):
            states = minilm(**split(caption, return_tensors="pt")).last_hidden_state  # [1, t, d]
            expected = model.text.proj(states.sum(1) / states.shape[1])
            torch.testing.assert_close(got[row : row + 1], expected, atol=1e-5, rtol=0)
            first = model.text.proj(states[:, 0])
            assert (first - expected).abs().max() > 1e-2


def test_training_mode_changes_neither_statistics_nor_features(
    made: tuple[Any, Any, Any], pictures: torch.Tensor
) -> None:
    model = copy.deepcopy(made[0])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.inference_mode():
        still = model.visual.trunk(pictures)
        trained = model.train().visual.trunk(pictures)
    assert model.training
    assert model.text.training
    assert torch.equal(still, trained)
    assert all(torch.equal(before[name], now) for name, now in model.state_dict().items())


def test_freezing_loses_neither_activation_nor_gradient(
    made: tuple[Any, Any, Any], pictures: torch.Tensor
) -> None:
    plain = open_clip.create_model(mini.ARCHITECTURE, pretrained_text=False)
    plain.load_state_dict(made[0].state_dict())
    trunk = copy.deepcopy(made[0].visual.trunk).train()
    with torch.inference_mode():
        assert torch.equal(plain.eval().visual.trunk(pictures), trunk(pictures))
        plain.train().visual.trunk(pictures)
    drifted = plain.visual.trunk.bn1.running_mean - trunk.bn1.running_mean
    assert drifted.abs().max() > 1e-3, "an ordinary trunk drifts, or this test shows nothing"
    trunk(pictures).sum().backward()
    assert trunk.bn1.weight.grad is not None


def test_the_classifier_is_apart_and_belongs_to_the_tower(
    made: tuple[Any, Any, Any], pictures: torch.Tensor
) -> None:
    weight, bias = mini.imagenet_classifier()
    assert (tuple(weight.shape), tuple(bias.shape)) == ((1000, 1280), (1000,))
    whole = timm.create_model("tf_efficientnet_lite0").eval()
    stored = torch.load(mini._trunk_file(), weights_only=True).values()
    whole.load_state_dict(dict(zip(whole.state_dict(), stored, strict=True)))
    with torch.inference_mode():
        features = made[0].visual.trunk(pictures)  # [4, 1280]
        torch.testing.assert_close(features @ weight.T + bias, whole(pictures))
    assert not [name for name in made[0].state_dict() if "classifier" in name or "_fc" in name]


def test_new_heads_follow_the_seed_alone(made: tuple[Any, Any, Any]) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    same, other = mini.create(heads=None)[0], mini.create(heads=None, seed=1)[0]
    assert torch.equal(torch.rand(3), expected), "the caller's generator was moved"
    first = weights_sha256(mini.head_tensors(made[0]))
    assert weights_sha256(mini.head_tensors(same)) == first
    assert weights_sha256(mini.head_tensors(other)) != first


def test_heads_survive_the_disk_in_half_precision(tmp_path: Path) -> None:
    path = tmp_path / "heads.safetensors"
    model, _, _ = mini.create(heads=None, seed=3)
    model.logit_scale.data.fill_(np.log(100))
    mini.save_heads(model, path, {"steps": "7"})
    with safe_open(path, framework="pt") as stored:
        assert stored.metadata() == {"steps": "7"}
    kinds = {name: tensor.dtype for name, tensor in load_file(path).items()}
    assert kinds.pop("logit_scale") == torch.float32
    assert set(kinds.values()) == {torch.float16}
    again, _, _ = mini.create(heads=path)
    assert again.logit_scale.exp() <= 100.001
    for name, tensor in mini.head_tensors(again).items():
        saved = mini.head_tensors(model)[name]
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, saved.half().float() if saved.ndim else saved)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_kind_and_width_of_the_heads_decide_all_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    for constant, value in {"IMAGE_HEAD": kind, "TEXT_HEAD": kind, "WIDTH": 48}.items():
        monkeypatch.setattr(mini, constant, value)
    model, preprocess, tokenizer = mini.create(heads=None)
    names = set(mini.head_tensors(model))
    frozen = [name for name in model.state_dict() if ".trunk." in name or ".transformer." in name]
    assert names.isdisjoint(frozen)
    assert names | set(frozen) == set(model.state_dict())
    mini.save_heads(model, tmp_path / "heads", {})
    save_pt(model, tmp_path / "whole.pt")
    for again in (mini.create(heads=tmp_path / "heads"), mini.create(str(tmp_path / "whole.pt"))):
        with torch.inference_mode():
            picture = preprocess(Image.new("RGB", (64, 64), "red")).unsqueeze(0)
            assert again[0].encode_image(picture).shape == (1, 48)
            assert again[0].encode_text(tokenizer(CAPTIONS)).shape == (3, 48)


def test_the_architecture_is_registered_once_and_stays_with_others(tmp_path: Path) -> None:
    mini.register()
    known = open_clip.list_models()
    assert known.count(mini.ARCHITECTURE) == 1
    mini.register()
    assert open_clip.list_models() == known
    other = tmp_path / "another-one.json"
    other.write_text('{"embed_dim": 8, "vision_cfg": {}, "text_cfg": {}}')
    open_clip.add_model_config(other)
    assert mini.ARCHITECTURE in open_clip.list_models()
    assert open_clip.get_model_config(mini.ARCHITECTURE) == mini.config()


QUIET = """
import socket, sys
from pathlib import Path

def refuse(*args, **kwargs):
    raise AssertionError("the network was used")

socket.socket.connect = socket.getaddrinfo = refuse
from nsfwcaps.encoders.mini import model as mini
model, _, tokenizer = mini.create(heads=None)
tokenizer(["a vase"])
import torch
torch.save(model.state_dict(), sys.argv[1])
mini.create(sys.argv[1])
"""


def test_creation_says_nothing_and_asks_no_network(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", QUIET, tmp_path / "whole.pt"],
        env={"PYTHONPATH": str(Path(mini.__file__).parents[3]), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
