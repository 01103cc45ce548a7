"""Workers as processes: the same bytes as one process, whoever dies."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.shared_run import SharedPools, copied, outputs, run
from support.shell import environment

from nsfwcaps import config
from nsfwcaps.errors import DeviceError, ModelError, StorageError
from nsfwcaps.executors import processes
from nsfwcaps.executors.executor import Job, portable, take_next
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.processes import ProcessCrew, ProcessExecutor
from nsfwcaps.sharing import Part
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.embed.settings import EmbedSettings


def test_processes_write_the_bytes_of_one(
    shared_pools: SharedPools, whole_run: Path, tmp_path: Path
) -> None:
    recipe = shared_pools.recipe(mine={"partitions": 3})
    run(recipe, tmp_path / "run", ProcessExecutor(2))
    assert outputs(tmp_path / "run") == outputs(whole_run)


def test_workers_make_the_shards_and_the_driver_finds_them(
    shared_pools: SharedPools, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, made = copied(whole_run, tmp_path / "run", "ingest"), []
    make = ProcessCrew.make

    def listed(crew: ProcessCrew, jobs: Sequence[Job]) -> object:
        made.extend((job.phase, str(job.part)) for job in jobs)
        yield from make(crew, jobs)
        journals = sorted((out / "embed").glob("shards*.jsonl"))
        made.extend(path.name.partition("-")[0] for path in journals)

    monkeypatch.setattr(ProcessCrew, "make", listed)
    recipe = shared_pools.recipe()
    run({"embed": recipe["embed"]}, out, ProcessExecutor(1))
    assert made[:8] == [("captions", f"{n}/8") for n in range(1, 9)]
    assert made[8] == "shards"  # of the worker: the driver has written none yet
    assert outputs(out)["embed"] == outputs(whole_run)["embed"]


def killing(crew: ProcessCrew, times: int) -> None:
    """Kill a worker at each of its first jobs."""
    give = processes._Member.give
    left = [times]

    def give_and_kill(member: processes._Member, job: Job) -> None:
        if left[0] and member.process.is_alive():
            left[0] -= 1
            assert member.process.pid is not None
            os.kill(member.process.pid, signal.SIGKILL)
            time.sleep(0.05)
        give(member, job)

    processes._Member.give = give_and_kill  # type: ignore[method-assign]


@pytest.fixture
def restored() -> object:
    give = processes._Member.give
    yield
    processes._Member.give = give  # type: ignore[method-assign]


class Deadly(ProcessExecutor):
    """Its workers die at the first jobs."""

    def __init__(self, workers: int, times: int) -> None:
        super().__init__(workers)
        self._times = times

    def open(self, order: Order):  # type: ignore[no-untyped-def]
        killing(None, self._times)  # type: ignore[arg-type]
        return super().open(order)


@pytest.mark.usefixtures("restored")
def test_worker_that_dies_is_replaced(
    shared_pools: SharedPools, whole_run: Path, tmp_path: Path
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest", "embed")
    run({"mine": shared_pools.recipe()["mine"]}, out, Deadly(2, times=2))
    assert outputs(out) == outputs(whole_run)


@pytest.mark.usefixtures("restored")
def test_job_that_kills_every_worker_is_an_error(
    shared_pools: SharedPools, whole_run: Path, tmp_path: Path
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest")
    with pytest.raises(DeviceError, match=r"3 workers ended .* part 1/8 of captions .*code -9"):
        run({"embed": shared_pools.recipe()["embed"]}, out, Deadly(1, times=3))


def killed_as_they_open(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    ready, left = processes._Member.ready, [times]

    def killed(member: processes._Member) -> Mapping[str, Any]:
        if left[0]:
            left[0] -= 1
            member.process.kill()
        return ready(member)

    monkeypatch.setattr(processes._Member, "ready", killed)


def test_worker_that_dies_as_it_opens_the_stage_is_replaced(
    shared_pools: SharedPools, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest")
    killed_as_they_open(monkeypatch, 2)
    run({"embed": shared_pools.recipe()["embed"]}, out, ProcessExecutor(1))
    assert outputs(out)["embed"] == outputs(whole_run)["embed"]


def test_workers_that_all_die_as_they_open_the_stage_are_an_error(
    shared_pools: SharedPools, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest")
    killed_as_they_open(monkeypatch, 3)
    told = r"worker 1 ended as it began, 3 times \(exit code -9\)"
    with pytest.raises(DeviceError, match=told):
        run({"embed": shared_pools.recipe()["embed"]}, out, ProcessExecutor(1))


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (MemoryError(), DeviceError, "a worker is out of memory; use fewer workers"),
        (OSError(28, "full", "x"), StorageError, "x: the disk is full"),
        (OSError(27, "large", "x"), StorageError, "x: the file is larger than the system allows"),
        (ModelError("weights"), ModelError, "weights"),
        (KeyError("bug"), RuntimeError, "KeyError: 'bug'"),
    ],
)
def test_errors_of_workers_reach_the_driver(
    error: Exception, kind: type[Exception], told: str
) -> None:
    found = pickle.loads(pickle.dumps(portable(error)))
    assert type(found) is kind
    assert told in str(found)


def test_driver_that_is_killed_leaves_no_worker_and_its_run_goes_on(
    shared_pools: SharedPools, whole_run: Path, tmp_path: Path
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest", "embed")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text('{"mine": {"device": "cpu", "block": 1}}')
    command = [sys.executable, "-m", "nsfwcaps", "run", str(recipe), "--out", str(out), "--quiet"]
    driver = subprocess.Popen(
        [*command, "--executor", "processes", "--processes", "1"], env=environment()
    )
    while not (journals := [*(out / "mine").glob("shards-*.jsonl")]):
        time.sleep(0.02)
        assert driver.poll() is None
    worker = int(journals[0].stem.rpartition("-")[2])
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 20
    while runs(worker):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not (out / "mine" / "stage.json").exists()
    run({"mine": shared_pools.recipe()["mine"]}, out)
    assert outputs(out) == outputs(whole_run)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_worker_of_another_version_is_refused(
    shared_pools: SharedPools, whole_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_of(shared_pools, whole_run)
    monkeypatch.setattr("nsfwcaps.executors.order.__version__", "9.9")
    with pytest.raises(ModelError, match=r"this worker has nsfwcaps 9\.9, the driver \d"):
        order.opened()


def test_worker_with_other_weights_is_refused(shared_pools: SharedPools, whole_run: Path) -> None:
    order = order_of(shared_pools, whole_run)
    vectors = shared_pools.folder / "vectors" / "text_emb" / "text_emb_0.npy"
    before = vectors.read_bytes()
    try:
        vectors.write_bytes(before[:-4] + b"\0\0\0\0")
        with pytest.raises(ModelError, match=r"embed: .*source changed; give all of them the same"):
            order.opened()
    finally:
        vectors.write_bytes(before)


def order_of(pools: SharedPools, run: Path) -> Order:
    from nsfwcaps.artifacts import StageFolder

    settings = config.parse(EmbedSettings, {"source": str(pools.folder / "vectors")}, where="embed")
    ingest = StageFolder(run / "ingest").record()
    assert ingest is not None
    return Order.of(STAGE["embed"].name, settings, run, {"ingest": ingest})


def test_job_goes_to_a_worker_that_holds_what_it_needs() -> None:
    left = [Job(phase="search", part=Part(n, 4), held=n % 2) for n in range(4)]
    assert [take_next(left, 1).part.index for _ in range(3)] == [1, 3, 0]
