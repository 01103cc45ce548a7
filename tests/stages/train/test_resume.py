"""train: stopped anywhere and started again, it ends as one that was never stopped."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from support.forked import start
from support.shell import call, tree
from support.training_place import TINY, Killed, Place, metrics, same, tensors

from nsfwcaps import artifacts, files
from nsfwcaps.artifacts import StageRecord
from nsfwcaps.stages.train import checkpoints as train_checkpoints
from nsfwcaps.stages.train import run as train
from nsfwcaps.training.loop import Trainer
from nsfwcaps.training.run import TrainingRun

# Three steps an epoch: checkpoints in the middle of epochs and at their ends.
RUN: dict[str, Any] = {
    "epochs": 4,
    "batch_size": 4,
    "curriculum": "all",
    "dropout": 0.2,
    "learning_rate": 1e-3,
    "save_every": 2,
}
STEPS = 12

EVERYWHERE = [artifacts, train_checkpoints, files]
"""Modules that write files."""


@pytest.fixture(scope="module")
def writes() -> list[str]:
    """Names of the files that the undisturbed run writes, in order."""
    return []


@pytest.fixture(scope="module")
def whole(
    place: Place, writes: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, StageRecord]:
    """A run that nothing stopped."""
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        names = torn_write(patch, -1, EVERYWHERE)
        record = place.train(out, **RUN)
    writes += names
    return out, record


def kill_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int) -> list[int]:
    """Raise instead of the n-th call of a function; give the list that counts its calls."""
    real, calls = getattr(owner, name), []

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(len(calls) + 1)
        if len(calls) == call:
            raise Killed
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, counted)
    return calls


def stop(place: Place, out: Path, **changes: Any) -> None:
    with pytest.raises(Killed):
        place.train(out, **RUN | changes)


def assert_same(out: Path, record: StageRecord, whole: tuple[Path, StageRecord]) -> None:
    """Weights, metrics, facts and every file that lasts are those of the undisturbed run."""
    assert same(tensors(out), tensors(whole[0]))
    assert metrics(out) == metrics(whole[0])
    assert [step["step"] for step in metrics(out)] == list(range(1, STEPS + 1))
    assert record.facts == whole[1].facts
    assert record.output_digest == whole[1].output_digest
    # With times in them; event files have their own test.
    others = ("train/stage.json", "train/shards.jsonl", "train/tensorboard/")
    found, wanted = (
        {k: v for k, v in tree(f).items() if not k.startswith(others)} for f in (out, whole[0])
    )
    assert found == wanted


def test_the_undisturbed_run_has_every_step_once(whole: tuple[Path, StageRecord]) -> None:
    out, record = whole
    assert record.facts["steps"] == STEPS
    assert [step["epoch"] for step in metrics(out)] == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    assert any(tensor.any() for name, tensor in tensors(out).items() if ".lora_B." in name)


@pytest.mark.parametrize("steps", [0, 4, 11])
def test_stopped_in_a_step(
    steps: int,
    place: Place,
    whole: tuple[Path, StageRecord],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, Trainer, "_make", steps + 1)
        stop(place, tmp_path)
        assert not (tmp_path / "model").exists()
        assert not (tmp_path / "train" / "stage.json").exists()
    made = kill_at(monkeypatch, Trainer, "_make", 99)
    assert_same(tmp_path, place.train(tmp_path, **RUN), whole)
    # Checkpoints are after every second step and after every epoch.
    assert STEPS - len(made) == {0: 0, 4: 4, 11: 10}[steps]


@pytest.mark.parametrize("call", [1, 3, 5])
def test_stopped_before_a_validation(
    call: int,
    place: Place,
    whole: tuple[Path, StageRecord],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Call 1 is before training; call e + 1 is right after the last step of epoch e."""
    with monkeypatch.context() as patch:
        kill_at(patch, TrainingRun, "_validate", call)
        stop(place, tmp_path)
    assert_same(tmp_path, place.train(tmp_path, **RUN), whole)


def torn_write(monkeypatch: pytest.MonkeyPatch, call: int, modules: list[Any]) -> list[str]:
    """Leave half of the n-th file that is written under its temporary name, and stop there."""
    real, names = artifacts.write_atomically, []

    def write(path: Path, data: Any, **named: Any) -> None:
        names.append(path.name)
        if len(names) == call:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".part-{path.name}").write_bytes(bytes(data[: len(data) // 2]))
            raise Killed
        real(path, data, **named)

    for module in modules:
        monkeypatch.setattr(module, "write_atomically", write)
    return names


@pytest.mark.parametrize("call", [1, 4])
def test_stopped_while_a_checkpoint_is_written(
    call: int,
    place: Place,
    whole: tuple[Path, StageRecord],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        torn_write(patch, call, [train_checkpoints])
        stop(place, tmp_path)
    assert_same(tmp_path, place.train(tmp_path, **RUN), whole)


@pytest.mark.parametrize("back", [0, 1, 4])
def test_stopped_in_one_of_the_last_writes(
    back: int,
    place: Place,
    whole: tuple[Path, StageRecord],
    writes: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Backwards: journal, record, the metrics file, adapter.json, the adapter, a checkpoint."""
    assert writes[-2:] == ["stage.json", "shards.jsonl"]
    with monkeypatch.context() as patch:
        torn_write(patch, len(writes) - back, EVERYWHERE)
        stop(place, tmp_path)
    made = kill_at(monkeypatch, Trainer, "_make", 99)
    assert_same(tmp_path, place.train(tmp_path, **RUN), whole)
    assert not made, "steps that a checkpoint or the finished adapter has were made again"


def test_stopped_between_the_last_checkpoint_and_the_adapter(
    place: Place, whole: tuple[Path, StageRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, train, "_delivery", 1)
        stop(place, tmp_path)
    assert_same(tmp_path, place.train(tmp_path, **RUN), whole)


def test_stopped_again_and_again(
    place: Place, whole: tuple[Path, StageRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        with monkeypatch.context() as patch:
            kill_at(patch, Trainer, "_make", 4)
            stop(place, tmp_path)
    assert_same(tmp_path, place.train(tmp_path, **RUN), whole)


def test_killed_by_the_system(
    place: Place, whole: tuple[Path, StageRecord], tmp_path: Path
) -> None:
    options = [f"--{k.replace('_', '-')}={v}" for k, v in (TINY | RUN).items()]
    command = ["train", f"--data={place.data}", f"--model={place.model}", f"--out={tmp_path}"]
    command += ["--quiet", *options]
    process = start(*command)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("train/checkpoints/*/step-*.pt")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "model").exists()
    done = call(*command)
    assert (done.code, done.err) == (0, "")
    assert same(tensors(tmp_path), tensors(whole[0]))
    assert metrics(tmp_path) == metrics(whole[0])
