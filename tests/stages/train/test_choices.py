"""train: curricula, methods, patience, precision, and what of a run is used again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.training_place import (
    Killed,
    Place,
    metrics,
    rewrite,
    same,
    tensors,
    validate_on_train,
)

from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Targets, TrainMethod
from nsfwcaps.freshness import StageState, state
from nsfwcaps.models import create
from nsfwcaps.pipeline import run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.train import run as train
from nsfwcaps.stages.train.options import options_of
from nsfwcaps.stages.train.settings import TrainSettings
from nsfwcaps.training.adapters import adapter_tensors
from nsfwcaps.training.loop import Trainer
from nsfwcaps.training.run import TrainingRun
from nsfwcaps.training.validation import Validation

RUN: dict[str, Any] = {"epochs": 3, "batch_size": 4, "save_every": 2}


@pytest.fixture
def levels(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[str]]:
    """Levels of the pairs that each epoch's steps saw."""
    seen: dict[int, list[str]] = {}
    real = Trainer._make

    def make(trainer: Trainer, inputs: Any, epoch: int, batch: Any) -> Any:
        seen.setdefault(epoch, []).extend(trainer._pairs.levels[row] for row in batch)
        return real(trainer, inputs, epoch, batch)

    monkeypatch.setattr(Trainer, "_make", make)
    return seen


# Curriculum.


def test_hard_pairs_wait(place: Place, levels: dict[int, list[str]], tmp_path: Path) -> None:
    easy = place.train(tmp_path / "progressive", **RUN)
    assert set(levels[1]) == {"easy"}
    assert set(levels[2]) <= {"easy", "medium"}
    assert set(levels[3]) == {"easy", "medium", "hard"}
    assert easy.facts["epochs_without_pairs"] == []
    levels.clear()
    place.train(tmp_path / "none", **RUN, curriculum="all")
    assert "hard" in levels[1]
    assert not same(tensors(tmp_path / "progressive"), tensors(tmp_path / "none"))


def test_epochs_without_a_pair_are_skipped_and_named(
    place: Place, levels: dict[int, list[str]], tmp_path: Path
) -> None:
    copy = place.copy(tmp_path)
    rewrite(copy, lambda row: {**row, "stage": "hard"})
    out = tmp_path / "out"
    record = copy.train(out, **RUN | {"epochs": 4}, patience=1)
    assert record.facts["epochs_without_pairs"][:2] == [1, 2]
    assert set(levels) == {3, 4} or record.facts["steps"] == 3
    assert record.facts["validation"][0] == record.facts["validation"][2]
    assert {step["epoch"] for step in metrics(out)} == set(levels)


# Methods.


@pytest.fixture(scope="module")
def overfit(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A data set that validates on what it trains on."""
    copy = place.copy(tmp_path_factory.mktemp("overfit"))
    validate_on_train(copy)
    return copy


WAYS = ("text_to_image", "image_to_text")


@pytest.mark.parametrize(
    ("method", "rises", "epochs"),
    [("safer-clip", "unsafe", 60), ("safe-clip", None, 10), ("safe-only", "safe", 20)],
)
def test_a_method_learns_what_it_is_for(
    method: str, rises: str | None, epochs: int, overfit: Place, tmp_path: Path
) -> None:
    record = overfit.train(
        tmp_path,
        method=method,
        curriculum="all",
        epochs=epochs,
        batch_size=16,
        learning_rate=1e-2,
        scale=20.0,
        warmup_share=0.1,
    )
    losses = [step["loss"] for step in metrics(tmp_path)]
    assert np.mean(losses[-3:]) < 0.7 * np.mean(losses[:3])
    wanted = set(record.facts["method"]["weights"])
    assert all(set(step["terms"]) == wanted for step in metrics(tmp_path))
    if rises is None:
        return
    # An unsafe item comes to lie where its target does, so which of both is nearer is chance in one
    # direction alone.
    before, after = (
        sum(record.facts["validation"][epoch][f"{rises}_{way}"] for way in WAYS) / 2
        for epoch in (0, -1)
    )
    assert after > before + 0.2


def test_weights_change_the_method(place: Place, tmp_path: Path) -> None:
    changes = ("redirect_text=3", "preserve_text=0")
    record = place.train(tmp_path, **RUN | {"epochs": 1}, weight=changes)
    weights = record.facts["method"]["weights"]
    assert (weights["redirect_text"], "preserve_text" in weights) == (3, False)
    step = metrics(tmp_path)[0]
    total = sum(weights[name] * value for name, value in step["terms"].items())
    assert step["loss"] == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(
    "changes",
    [{"full": True}, {"towers": ("image",)}, {"towers": ("text",)}, {"scale": "model"}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_else_trains(changes: dict[str, Any], place: Place, tmp_path: Path) -> None:
    record = place.train(tmp_path, **RUN | {"epochs": 1}, **changes)
    assert record.facts["trainable"] == sum(t.numel() for t in tensors(tmp_path).values())
    assert record.facts["steps"] == 1


def test_the_scale_is_the_models_unless_it_is_given(place: Place, tmp_path: Path) -> None:
    own = place.train(tmp_path / "own", **RUN)
    logit_scale = create.load_dual(place.model, EncoderOptions()).model.logit_scale.item()
    given = place.train(tmp_path / "given", **RUN, scale=100)
    assert given.facts["scale"] == 100
    assert own.facts["scale"] == pytest.approx(math.exp(logit_scale))
    for name, record in (("own", own), ("given", given)):
        told = json.loads((tmp_path / name / "model" / "adapter.json").read_bytes())
        assert told["scale"] == record.facts["scale"]
    assert not same(tensors(tmp_path / "own"), tensors(tmp_path / "given"))


@pytest.mark.parametrize(
    ("changes", "rate"),
    [
        ({}, 1e-4),
        ({"method": "contrastive-subspace"}, 1e-3),
        ({"method": "contrastive-subspace", "learning_rate": 2e-3}, 2e-3),
    ],
    ids=str,
)
def test_a_method_has_a_learning_rate_of_its_own(
    changes: dict[str, Any], rate: float, place: Place, tmp_path: Path
) -> None:
    record = place.train(tmp_path, **RUN | {"epochs": 1}, **changes)
    told = json.loads((tmp_path / "model" / "adapter.json").read_bytes())
    assert record.facts["learning_rate"] == told["learning_rate"] == rate
    assert metrics(tmp_path)[0]["learning_rate"] == rate


# Patience.


def scripted(monkeypatch: pytest.MonkeyPatch, totals: list[float]) -> list[dict[str, Any]]:
    """Validate to given sums; keep the adapters that were scored."""
    kept: list[dict[str, Any]] = []

    def score(run: Any) -> Validation:
        kept.append(adapter_tensors(run._encoders.model))
        total = totals[len(run._history.scores)]
        return Validation(
            safe_text_to_image=total,
            safe_image_to_text=0,
            unsafe_text_to_image=0,
            unsafe_image_to_text=0,
            unsafe_first=0,
        )

    monkeypatch.setattr(TrainingRun, "_score", score)
    return kept


PATIENT: dict[str, Any] = {**RUN, "epochs": 8, "patience": 2, "curriculum": "all"}
TOTALS = [1.0, 1.1, 1.5, 1.4, 1.5, 1.9, 2.0, 2.0, 2.0]
"""The second epoch is best; that the fourth is as good is no gain, and ends it."""


def test_patience_stops_and_keeps_the_best(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = scripted(monkeypatch, TOTALS)
    record = place.train(tmp_path, **PATIENT)
    assert len(kept) == len(record.facts["validation"]) == 5
    assert record.facts["steps"] == 4 * 3
    assert record.facts["kept_epoch"] == 2
    assert same(tensors(tmp_path), kept[2])
    assert not same(kept[2], kept[4])


@pytest.mark.parametrize("where", ["papers", "step"])
def test_patience_lasts_over_a_stop(
    where: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = scripted(monkeypatch, TOTALS)

    def stop(*arguments: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if where == "papers":  # it had run out of patience already
            patch.setattr(train, "_delivery", stop)
        else:
            real = Trainer._make
            patch.setattr(
                Trainer,
                "_make",
                lambda trainer, *rest: stop() if trainer.step == 10 else real(trainer, *rest),
            )
        with pytest.raises(Killed):
            place.train(tmp_path, **PATIENT)
    record = place.train(tmp_path, **PATIENT)
    assert record.facts["steps"] == 12
    assert record.facts["kept_epoch"] == 2
    assert same(tensors(tmp_path), kept[2])
    assert len(metrics(tmp_path)) == 12


# Precision.


def test_half_precision_is_close(place: Place, tmp_path: Path) -> None:
    single = place.train(tmp_path / "fp32", **RUN)
    half = place.train(tmp_path / "bf16", **RUN, precision="bf16")
    assert half.facts["steps"] == single.facts["steps"]
    losses = [[step["loss"] for step in metrics(tmp_path / name)] for name in ("fp32", "bf16")]
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.1)
    assert losses[0] != losses[1]
    assert {t.dtype for t in tensors(tmp_path / "bf16").values()} == {torch.float32}


# What is used again.


def test_same_settings_are_skipped_and_others_use_the_reference_again(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place.train(tmp_path, **RUN)
    weights = tensors(tmp_path)
    settings = place.settings(**RUN | {"save_every": 7, "workers": 2})
    assert state(STAGE["train"], settings, tmp_path) is StageState.CURRENT
    assert run_stage(STAGE["train"], settings, tmp_path, Silent()).skipped

    def embeds(*arguments: Any) -> None:
        raise AssertionError("embedded again")

    monkeypatch.setattr(ClipEncoder, "encode_text", embeds)
    monkeypatch.setattr(ClipEncoder, "encode_images", embeds)
    changed = place.settings(**RUN, learning_rate=2e-3)
    assert state(STAGE["train"], changed, tmp_path) is StageState.STALE
    second = place.train(tmp_path, **RUN, learning_rate=2e-3)
    assert not same(tensors(tmp_path), weights)
    groups = ("captions", "images", "bin")
    assert [f for f in first.files if f.group in groups] == [
        f for f in second.files if f.group in groups
    ]
    assert sorted((tmp_path / "train").glob("*/adapter.safetensors")) == second.paths("dataset")[:1]


def test_checkpoints_of_runs_are_not_mixed_up(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is stopped, another made from start to end in the same folder, then the first goes on."""
    one, other = ({**RUN, "curriculum": "all", "learning_rate": lr} for lr in (1e-3, 2e-3))
    for name, run in (("one", one), ("other", other)):
        place.train(tmp_path / name, **run)
    made: list[int] = []
    real = Trainer._make

    def make(trainer: Trainer, *rest: Any) -> Any:
        if trainer.step == stop_at[0]:
            raise Killed
        made.append(trainer.step)
        return real(trainer, *rest)

    stop_at = [7]
    monkeypatch.setattr(Trainer, "_make", make)
    out = tmp_path / "out"
    with pytest.raises(Killed):
        place.train(out, **one)
    stop_at = [-1]
    for run, name, steps in ((other, "other", range(9)), (one, "one", range(6, 9))):
        made.clear()
        place.train(out, **run)
        assert same(tensors(out), tensors(tmp_path / name))
        assert metrics(out) == metrics(tmp_path / name)
        assert made == list(steps)


@pytest.mark.parametrize(
    ("method", "own"), [("safer-clip", "nearest"), ("safe-clip", "fixed"), ("safe-only", "nearest")]
)
def test_targets_are_those_of_the_method_or_the_ones_asked_for(method: str, own: str) -> None:
    chosen = [
        options_of(TrainSettings(method=TrainMethod(method), targets=targets)).method.targets
        for targets in (None, *Targets)
    ]
    assert chosen == [own, "nearest", "fixed"]
