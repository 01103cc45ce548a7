"""train for TensorBoard: every number once, also where a run was stopped; nothing without it."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

import pytest
from support.training_place import Killed, Place, metrics, refused, train

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.training.loop import Trainer
from nsfwcaps.training.run import TrainingRun

RUN: dict[str, Any] = {"epochs": 3, "batch_size": 4, "curriculum": "all", "save_every": 2}
STEPS = 9

Points = dict[str, list[tuple[int, float]]]


@pytest.fixture(scope="module")
def whole(place: Place, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StageRecord]:
    out = tmp_path_factory.mktemp("whole")
    return out, place.train(out, **RUN)


def points(out: Path) -> Points:
    """Steps and values by name, as TensorBoard shows them."""
    module = "tensorboard.backend.event_processing.event_accumulator"
    accumulator = pytest.importorskip(module)
    (folder,) = (out / "train" / "tensorboard").iterdir()
    found = accumulator.EventAccumulator(str(folder)).Reload()
    names = found.Tags()["scalars"]
    return {name: [(item.step, item.value) for item in found.Scalars(name)] for name in names}


def assert_as_metrics(out: Path, record: StageRecord) -> None:
    found, lines = points(out), metrics(out)
    for name in ("loss", "learning_rate", "gradient_norm"):
        steps, values = zip(*found[f"train/{name}"], strict=True)
        assert steps == tuple(range(1, STEPS + 1))
        assert values == pytest.approx([line[name] for line in lines])
    for name in lines[0]["terms"]:
        values = [value for _, value in found[f"terms/{name}"]]
        assert values == pytest.approx([line["terms"][name] for line in lines], abs=1e-6)
    assert [step for step, _ in found["train/pairs_per_second"]] == list(range(1, STEPS + 1))
    assert all(speed > 0 for _, speed in found["train/pairs_per_second"])
    scores = record.facts["validation"]
    for name in scores[0]:
        wanted = [(3 * epoch, pytest.approx(score[name])) for epoch, score in enumerate(scores)]
        assert found[f"validation/{name}"] == wanted


def test_points_are_the_metrics(whole: tuple[Path, StageRecord]) -> None:
    pytest.importorskip("tensorboard")
    assert_as_metrics(*whole)


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [(Trainer, "_make", 1), (Trainer, "_make", 6), (TrainingRun, "_validate", 3)],
    ids=["before the first step", "in a step", "before a validation"],
)
def test_no_point_is_doubled_by_a_stop(
    owner: Any,
    name: str,
    call: int,
    place: Place,
    whole: tuple[Path, StageRecord],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("tensorboard")
    real, calls = getattr(owner, name), []

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            raise Killed
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, counted)
        with pytest.raises(Killed):
            place.train(tmp_path, **RUN)
    time.sleep(1.1)  # the names of event files have seconds, and are read in their order
    record = place.train(tmp_path, **RUN)
    assert_as_metrics(tmp_path, record)
    assert record.output_digest == whole[1].output_digest


def test_event_files_are_no_output(place: Place, whole: tuple[Path, StageRecord]) -> None:
    pytest.importorskip("tensorboard")
    out, record = whole
    assert not [file for file in record.files if "tensorboard" in file.path]
    for path in (out / "train" / "tensorboard").rglob("events.*"):
        path.unlink()
    assert place.train(out, **RUN) == record


def test_without_event_files(place: Place, whole: tuple[Path, StageRecord], tmp_path: Path) -> None:
    record = place.train(tmp_path, **RUN, events=False)
    assert record.output_digest == whole[1].output_digest
    assert not (tmp_path / "train" / "tensorboard").exists()


def test_where_it_is_not_installed(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "tensorboard" else real(name, *rest),
    )
    refused(train(place, tmp_path, "--events"), 2, "--events", "pip install")
    assert train(place, tmp_path).code == 0
    assert not (tmp_path / "train" / "tensorboard").exists()
