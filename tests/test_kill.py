"""SIGKILL at any moment, the same command again: as if nothing had happened."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import forked
from support.shell import Pools, call, environment, tree, write_pools

KILLS = 32
"""Moments of the small run, spread over all its changes of the disk."""

Task = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    """Two pools of a few hundred captions with vectors, some rows of them unusable."""
    made = write_pools(tmp_path_factory.mktemp("pools"), safe=300, unsafe=120)
    with made.safe.open("a") as file:
        file.write('{"caption": "cut short\n' + '{"caption": ""}\n')
    return made


@pytest.fixture(scope="module")
def serve() -> Iterator[Task]:
    """Return a function that runs the command line, and kills it at its n-th change of the disk."""
    server = Path(__file__).with_name("support") / "kill_server.py"
    with subprocess.Popen(
        [sys.executable, server],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A pool of threads would not survive the fork.
        env={**environment(), "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def run(arguments: list[object], within: Path, kill_at: int | None = None) -> Any:
            task = {
                "arguments": [str(item) for item in arguments],
                "within": str(within),
                "kill_at": kill_at,
            }
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


def command(pools: Pools, out: Path) -> list[object]:
    return ["build", "--out", out, *pools.options, "--shard-rows", "60"]


def lasting(folder: Path) -> dict[str, bytes]:
    """Content of every file but the journals and records, which tell how long things took."""
    return {
        name: data
        for name, data in tree(folder).items()
        if not name.endswith(("/stage.json", "/shards.jsonl"))
    }


def assert_same(folder: Path, whole: Path) -> None:
    """Data set and every other file are as in an uninterrupted run, and none is half-written."""
    assert tree(folder / "dataset") == tree(whole / "dataset")
    assert lasting(folder) == lasting(whole)
    assert sorted(tree(folder)) == sorted(tree(whole))


@pytest.fixture(scope="module")
def whole(pools: Pools, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Return the folder of an uninterrupted run, and the seconds that it took."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    began = time.monotonic()
    assert forked.start(*command(pools, folder)).said().code == 0
    return folder, time.monotonic() - began


@pytest.fixture(scope="module")
def served(pools: Pools, serve: Task, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Return the same from the server, and the changes of the disk that it took."""
    folder = tmp_path_factory.mktemp("served") / "run"
    result = serve(command(pools, folder), folder)
    assert result["code"] == 0
    return folder, result["changes"]


def test_killed_before_any_change_of_the_disk(
    pools: Pools, served: tuple[Path, int], serve: Task, tmp_path: Path
) -> None:
    whole, changes = served
    assert changes > 2 * KILLS
    for number in range(KILLS):
        kill_at = 1 + number * (changes - 1) // (KILLS - 1)
        folder = tmp_path / str(kill_at)
        killed = serve(command(pools, folder), folder, kill_at)
        assert killed["signal"] == signal.SIGKILL
        assert serve(command(pools, folder), folder)["code"] == 0
        assert_same(folder, whole)
        shutil.rmtree(folder)


def test_killed_again_and_again(
    pools: Pools, served: tuple[Path, int], serve: Task, tmp_path: Path
) -> None:
    """Every run gets a little further, and finished shards are never made twice."""
    folder = tmp_path / "run"
    runs = 0
    while serve(command(pools, folder), folder, kill_at=32)["signal"] == signal.SIGKILL:
        runs += 1
        assert runs < 60, "no progress"
    assert runs > 3
    assert_same(folder, served[0])


def test_killed_while_an_earlier_result_is_replaced(
    pools: Pools, served: tuple[Path, int], serve: Task, tmp_path: Path
) -> None:
    """Until a stage is done anew its earlier output stands whole; afterwards nothing of it does."""
    other = [*command(pools, tmp_path / "run"), "--k", "2", "--max-chars", "100"]
    for kill_at in range(2, 80, 13):
        shutil.copytree(served[0], tmp_path / "run")
        assert serve(other, tmp_path / "run", kill_at)["signal"] == signal.SIGKILL
        assert serve(command(pools, tmp_path / "run"), tmp_path / "run")["code"] == 0
        assert tree(tmp_path / "run" / "dataset") == tree(served[0] / "dataset")
        shutil.rmtree(tmp_path / "run")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_killed_after_a_while(
    pools: Pools, whole: tuple[Path, float], share: float, tmp_path: Path
) -> None:
    """At any time, and not only at a change of the disk."""
    process = forked.start(*command(pools, tmp_path / "run"))
    time.sleep(share * whole[1])
    process.kill()
    process.communicate()
    said = forked.start(*command(pools, tmp_path / "run")).said()
    assert (said.code, said.err) == (0, "")
    assert_same(tmp_path / "run", whole[0])


def test_killed_while_captions_are_embedded(tmp_path: Path) -> None:
    """With a real model, after some shards of vectors."""
    pools = write_pools(tmp_path / "pools", safe=150, unsafe=60)
    options = [*pools.options[:4], "--shard-rows", "30"]
    assert call("build", "--out", tmp_path / "whole", *options).code == 0
    folder = tmp_path / "run"
    process = forked.start("build", "--out", folder, *options)
    while process.poll() is None and _lines(folder / "embed" / "shards.jsonl") < 3:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "embed" / "stage.json").exists()
    assert call("build", "--out", folder, *options).code == 0
    assert_same(folder, tmp_path / "whole")


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
