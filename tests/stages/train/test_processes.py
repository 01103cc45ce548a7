"""train with torchrun: as one process does it, only the first writes, and errors are told once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from support.forked import launch
from support.safe_pool import without_partners, write_pool
from support.shell import Said, environment, tree
from support.training_place import TINY, Place, metrics, rewrite, tensors

RUN: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 5,
    "curriculum": "all",
    "learning_rate": 1e-3,
    "save_every": 2,
}


@pytest.fixture(scope="module")
def alone(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone")
    place.train(out, **RUN)
    return out


def by_torchrun(*command: object) -> Said:
    """Run the command line as users start it, by two processes."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ended = subprocess.run(
        [sys.executable, *torchrun, "-m", "nsfwcaps", *map(str, command)],
        capture_output=True,
        text=True,
        env={**environment(), "OMP_NUM_THREADS": "1"},
        timeout=180,
        check=False,
    )
    return Said(ended.returncode, ended.stdout, ended.stderr)


def options(place: Place, out: Path, **changes: Any) -> list[str]:
    values = {**TINY, **RUN, "data": place.data, "model": place.model, "out": out, **changes}
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]


def train(place: Place, out: Path, *more: object, processes: int = 2, **changes: Any) -> Said:
    return launch("train", *options(place, out, **changes), *more, processes=processes).said()


def assert_as_alone(out: Path, alone: Path) -> None:
    found, wanted = tensors(out), tensors(alone)
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-5)
    losses = [[step["loss"] for step in metrics(folder)] for folder in (out, alone)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert [step["pairs"] for step in metrics(out)] == [step["pairs"] for step in metrics(alone)]


def files(out: Path) -> list[str]:
    """Names of all files; those of event files have the time and the process in them."""
    return sorted(name.partition("/events.")[0] for name in tree(out))


def told(said: Said) -> list[str]:
    """Lines of standard error that are ours, and not torchrun's."""
    assert not [line for line in said.err.splitlines() if "nsfwcaps/" in line and "File" in line]
    return [line for line in said.err.splitlines() if line.startswith(("error: ", "internal "))]


@pytest.mark.parametrize("parts", [1, 2])
def test_several_processes_train_as_one(
    parts: int, place: Place, alone: Path, tmp_path: Path
) -> None:
    """Batches of five: shares of two processes and of three are uneven."""
    if parts == 1:
        said = by_torchrun("train", *options(place, tmp_path), "--json")
    else:
        said = train(place, tmp_path, "--json", processes=3, accumulate=parts)
    assert said.code == 0, said.err
    assert_as_alone(tmp_path, alone)
    (stage,) = said.json["stages"]  # standard output is one JSON value: others printed nothing
    assert files(tmp_path) == files(alone)
    record = json.loads((alone / "train" / "stage.json").read_bytes())
    assert stage["facts"] == record["facts"]
    written = json.loads((tmp_path / "train" / "stage.json").read_bytes())
    assert written["fingerprint"] == record["fingerprint"]


@pytest.mark.parametrize("method", ["safer-clip", "contrastive-subspace"])
def test_several_processes_preserve_the_same_items_of_the_pool(
    method: str, place: Place, tmp_path: Path
) -> None:
    copy = place.copy(tmp_path / "copy")
    without_partners(copy)
    write_pool(copy, place.work / "pools" / "safe")
    record = copy.train(tmp_path / "alone", **RUN, method=method)
    said = train(copy, tmp_path / "out", "--json", method=method)
    assert said.code == 0, said.err
    assert_as_alone(tmp_path / "out", tmp_path / "alone")
    assert said.json["stages"][0]["facts"]["preserved"] == record.facts["preserved"]
    assert record.facts["preserved"]["pool"] == 24


def test_a_recipe_whose_other_stages_are_the_first_process_s_alone(
    place: Place, alone: Path, tmp_path: Path
) -> None:
    train_section = {**TINY, **RUN, "data": str(place.data), "model": place.model}
    recipe = {"world": {"scenes": 6}, "train": train_section}
    (tmp_path / "both.yaml").write_text(yaml.safe_dump(recipe))
    out = tmp_path / "out"
    said = launch("run", tmp_path / "both.yaml", "-w", out, processes=2).said()
    assert said.code == 0, said.err
    assert [line.split()[0] for line in said.out.splitlines()[:2]] == ["world", "train"]
    assert_as_alone(out, alone)
    again = launch("run", tmp_path / "both.yaml", "-w", out, processes=2).said()
    assert (again.code, again.out.count("up to date")) == (0, 2)


def test_a_stage_without_training_is_the_first_process_s_alone(tmp_path: Path) -> None:
    said = launch("world", "--scenes=6", "-w", tmp_path, processes=2).said()
    assert (said.code, said.out.count("safe and")) == (0, 1)


def test_all_go_on_from_the_checkpoint(place: Place, alone: Path, tmp_path: Path) -> None:
    running = launch("train", *options(place, tmp_path), "--quiet", processes=2)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("train/checkpoints/*/step-*.pt")):
        assert running.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.002)
    os.killpg(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    assert not (tmp_path / "model").exists()
    said = train(place, tmp_path)
    assert said.code == 0, said.err
    assert_as_alone(tmp_path, alone)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "error: train.epochs: "),
        ({"data": "/nowhere"}, "error: train.data: no data set in /nowhere"),
        (
            {"batch_size": 2, "processes": 3},
            "error: epoch 1 has a batch of 2 pairs, fewer than the 3 proc",
        ),
        ({"learning_rate": 1e30}, "error: train: "),
    ],
    ids=["option", "data", "too many", "numbers"],
)
def test_an_error_of_all_is_told_once(
    changes: dict[str, Any], message: str, place: Place, tmp_path: Path
) -> None:
    said = train(place, tmp_path, **changes)
    assert said.code != 0
    assert [line[: len(message)] for line in told(said)] == [message]
    assert said.out == ""


def test_an_error_of_the_first_process_ends_all(place: Place, tmp_path: Path) -> None:
    copied = place.copy(tmp_path / "copied")
    rewrite(copied, lambda row: {**row, "unsafe_image": None})
    said = train(copied, tmp_path / "out")
    assert said.code != 0
    assert len(told(said)) == 1
    assert "lack a usable image" in told(said)[0]


def test_an_error_of_another_process_ends_all(place: Place, tmp_path: Path) -> None:
    """One that cannot read a picture, though the first can."""
    script = tmp_path / "break.py"
    script.write_text(
        "import os\n"
        "if os.environ['RANK'] == '1':\n"
        "    import nsfwcaps.stages.train.run as run\n"
        "    from nsfwcaps.errors import InputError\n"
        "    def broken(*arguments):\n"
        "        raise InputError('the disk of this process is gone')\n"
        "    run.load_reference = broken\n"
    )
    said = launch("train", *options(place, tmp_path / "out"), processes=2, before=script).said()
    assert said.code != 0
    assert told(said) == ["error: the disk of this process is gone"]


def test_a_busy_folder_is_told_once(place: Place, tmp_path: Path) -> None:
    import filelock

    with filelock.FileLock(tmp_path / ".lock"):
        said = train(place, tmp_path)
    assert said.code != 0
    assert [line[:30] for line in told(said)] == ["error: another nsfwcaps command"[:30]]
