"""Checkpoints: a damaged one is known by its digest, and the one before is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch
from support.training_place import Killed, Place, metrics, same, tensors

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.freshness import StageState, state
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.train.checkpoints import Checkpoints, load_checkpoint
from nsfwcaps.training.loop import Trainer
from nsfwcaps.training.run import TrainingRun

RUN: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 4,
    "curriculum": "all",
    "dropout": 0.2,
    "save_every": 2,
}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = pytest.mark.parametrize("damage", [flip, truncate, empty])


def step_of(path: Path) -> int:
    return int(path.name.split("-")[1])


@DAMAGES
def test_damaged_newest_is_passed_over(damage: Callable[[Path], None], tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run")
    assert checkpoints.newest() is None
    for step in (2, 4, 6):
        checkpoints.save(step, {"step": step, "tensor": torch.full((64,), float(step))})
    paths = sorted((tmp_path / "run").glob("*.pt"))
    assert [step_of(path) for path in paths] == [4, 6]
    damage(paths[1])
    found = Checkpoints(tmp_path / "run").newest()
    assert found is not None
    state = load_checkpoint(found)
    assert (state["step"], state["tensor"].unique().item()) == (4, 4)
    damage(paths[0])
    assert Checkpoints(tmp_path / "run").newest() is None


def test_damaged_ones_do_not_push_sound_ones_out(tmp_path: Path) -> None:
    """Two that are damaged are of later steps than the next that is written."""
    checkpoints = Checkpoints(tmp_path)
    for step in (6, 8):
        checkpoints.save(step, {"step": step})
    for path in tmp_path.glob("*.pt"):
        flip(path)
    assert checkpoints.newest() is None
    checkpoints.save(3, {"step": 3})
    found = checkpoints.newest()
    assert found is not None
    assert load_checkpoint(found) == {"step": 3}


def test_clearing_leaves_nothing_of_its_own(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run")
    checkpoints.save(1, {})
    checkpoints.clear()
    checkpoints.clear()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("count", "damage"), [(1, flip), (1, truncate), (2, flip)])
def test_a_run_goes_on_from_the_one_before(
    count: int,
    damage: Callable[[Path], None],
    place: Place,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    real = Trainer._make

    def make(trainer: Trainer, *rest: Any) -> Any:
        if trainer.step == stop_at[0]:
            raise Killed
        made.append(trainer.step)
        return real(trainer, *rest)

    monkeypatch.setattr(Trainer, "_make", make)
    stop_at = [7]
    with pytest.raises(Killed):
        place.train(tmp_path, **RUN)
    paths = sorted(tmp_path.glob("train/checkpoints/*/step-*.pt"))
    # One of an epoch's end may have been written in its middle already.
    assert [step_of(path) for path in paths] == [6, 6]
    for path in paths[-count:]:
        damage(path)
    made.clear()
    stop_at[0] = -1
    place.train(tmp_path, **RUN)
    assert made == list(range(6 if count == 1 else 0, 9))
    assert same(tensors(tmp_path), tensors(whole))
    assert metrics(tmp_path) == metrics(whole)


@pytest.fixture(scope="module")
def whole(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    place.train(out, **RUN)
    return out


def test_damaged_vectors_of_the_reference_are_made_again(place: Place, tmp_path: Path) -> None:
    place.train(tmp_path, **RUN)
    record = StageFolder(tmp_path / "train").record()
    assert record is not None
    weights = tensors(tmp_path)
    record.paths("images")[0].write_bytes(b"not a table")
    assert state(STAGE["train"], None, tmp_path) is StageState.DAMAGED
    place.train(tmp_path, **RUN)
    assert same(tensors(tmp_path), weights)
    assert pq.read_table(record.paths("images")[0]).num_rows


def test_weights_with_channels_last_can_be_saved() -> None:
    """As those of convolutions are on a CPU, where they train themselves."""
    model = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    assert not model.weight.is_contiguous()
    run: Any = object.__new__(TrainingRun)
    run._encoders = SimpleNamespace(model=model)
    assert torch.equal(safetensors.torch.load(run.adapter_file())["weight"], model.weight)


def test_checkpoints_by_minutes_change_nothing_but_what_a_kill_costs(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is made soon; without them, an epoch of few steps would be lost."""
    run: dict[str, Any] = {"epochs": 2, "batch_size": 4, "curriculum": "all", "save_every": 1000}
    saved: list[int] = []
    real = Checkpoints.save

    def save(self: Checkpoints, step: int, state: Any) -> None:
        saved.append(step)
        real(self, step, state)

    monkeypatch.setattr(Checkpoints, "save", save)
    place.train(tmp_path / "few", **run, checkpoint_minutes=60)
    assert len(saved) == 2  # after the epochs
    few, saved[:] = [*saved], []
    place.train(tmp_path / "many", **run, checkpoint_minutes=1e-9)
    assert sorted(set(saved)) == [*range(1, few[-1] + 1)]
    assert same(tensors(tmp_path / "few"), tensors(tmp_path / "many"))
    assert metrics(tmp_path / "few") == metrics(tmp_path / "many")
