"""How a model was trained, read from the files beside its weights."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.training_place import Place, publish

from nsfwcaps.models.export.export import Format, export
from nsfwcaps.models.trainings import Training, trainings

RUN: dict[str, Any] = {"epochs": 1, "curriculum": "all", "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def safer(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trainings") / "safer"
    place.train(out, **RUN)
    return out


def test_a_trained_run(place: Place, safer: Path) -> None:
    (found,) = trainings(str(safer))
    assert len(str(found.data_sha256)) == 64
    assert found == Training(
        method="safer-clip",
        base="tiny",
        trained="LoRA of rank 4, alpha 16",
        towers=("image", "text"),
        data="Safe-unsafe caption pairs",
        data_sha256=found.data_sha256,
        steps=found.steps,
        epochs=1,
        kept_epoch=1,
        learning_rate=0.01,
    )
    assert found.steps > 0


def test_a_run_on_a_run_names_both(safer: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    publish(str(safer), tmp_path / "mined", scenes=48)
    Place(str(safer), tmp_path / "mined").train(second, **RUN | {"learning_rate": 1e-3})
    found = trainings(str(second))
    assert [each.learning_rate for each in found] == [0.001, 0.01]
    # This data set has safe items too, in a file of the same name.
    assert found[0].data == "Safe-unsafe caption pairs"


def test_an_export_says_the_same_and_its_strength(safer: Path, tmp_path: Path) -> None:
    export(safer, Format.OPEN_CLIP, tmp_path / "out", strength=0.5)
    (run,) = trainings(str(safer))
    assert trainings(f"local-dir:{tmp_path / 'out'}") == [dataclasses.replace(run, strength=0.5)]


def test_a_copy_of_the_adapter_alone_does_not_know_the_digest(safer: Path, tmp_path: Path) -> None:
    shutil.copytree(safer / "model", tmp_path / "handed-on")
    (found,) = trainings(str(tmp_path / "handed-on"))
    assert found.data_sha256 is None


def test_data_that_is_gone_or_another_is_named_by_its_folder(
    place: Place, safer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = place.data / "manifest.json"
    kept = manifest.read_text()
    try:
        manifest.write_text(kept.replace('"sha256": "', '"sha256": "0'))
        (found,) = trainings(str(safer))
    finally:
        manifest.write_text(kept)
    assert found.data == place.data.parent.name


def test_models_that_nsfwcaps_did_not_train(place: Place) -> None:
    for model in ("mini", "minilm", place.model, "open_clip:ViT-B-32/openai", "hf-hub:org/name"):
        assert trainings(model) == []
