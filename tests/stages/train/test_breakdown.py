"""train: numbers that break down, and a device that is full, end in one message and no worse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.training_place import Place, refused, train

from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.training.methods import Method


def test_a_loss_that_is_no_number_reaches_no_checkpoint(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Method.loss, []

    def loss(method: Method, *arguments: Any) -> Any:
        calls.append(1)
        total, terms = real(method, *arguments)
        bad = float("nan") if len(calls) == 3 else 1.0
        return total * bad, {name: term * bad for name, term in terms.items()}

    monkeypatch.setattr(Method, "loss", loss)
    options = {"batch_size": 4, "curriculum": "all", "save_every": 1}
    refused(
        train(place, tmp_path, **options), 9, "the loss is not finite", "step 3", "--learning-rate"
    )
    assert not (tmp_path / "model").exists()
    paths = sorted(tmp_path.glob("train/checkpoints/*/step-*.pt"))
    assert [path.name.split("-")[1] for path in paths] == ["00000001", "00000002"]
    for path in paths:
        state = torch.load(path, weights_only=True)
        assert all(tensor.isfinite().all() for tensor in state["trainer"]["tensors"].values())
    assert train(place, tmp_path, **options).code == 0


def test_vectors_that_are_no_numbers_are_not_validated(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step of an epoch can break a model whose loss was a number to the end."""
    from nsfwcaps.training import validation

    real, calls = validation.embed, []

    def embed(*arguments: Any) -> Any:
        calls.append(1)
        return [rows * float("nan" if len(calls) == 2 else 1) for rows in real(*arguments)]

    monkeypatch.setattr(validation, "embed", embed)
    refused(train(place, tmp_path), 9, "not finite", "--learning-rate")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("owner", "name", "option"),
    [
        (Method, "loss", "--batch-size"),
        ("nsfwcaps.training.validation.embed", None, "--batch-images"),
        (ClipEncoder, "_image_rows", "--batch-images"),
    ],
    ids=["step", "validation", "reference"],
)
def test_a_device_without_memory(
    owner: Any,
    name: str | None,
    option: str,
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*arguments: Any) -> None:
        raise torch.OutOfMemoryError

    if name is None:
        monkeypatch.setattr(owner, full)
    else:
        monkeypatch.setattr(owner, name, full)
    refused(train(place, tmp_path), 6, "memory", option)
