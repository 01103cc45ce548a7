"""Workers as Ray actors: the same bytes as one process, whoever dies, with and without a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.shared_run import SharedPools, copied, outputs, run

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.enums import Device, ExecutorKind
from nsfwcaps.errors import ConfigError, DeviceError, ModelError
from nsfwcaps.executors import ray_member
from nsfwcaps.executors.executor import Job, JobProgress
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.private_folder import PrivateFolder
from nsfwcaps.executors.ray_cluster import RayExecutor
from nsfwcaps.executors.ray_crew import RayCrew
from nsfwcaps.executors.ray_member import Member, State
from nsfwcaps.executors.ray_places import Places
from nsfwcaps.executors.settings import ExecutionSettings

ray = pytest.importorskip("ray")
NAME = "ray::RayActor"


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Start a cluster on this machine; Ray counts GPUs without looking at them."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    folder = PrivateFolder("ray-tests-", Path("/tmp"))  # paths of sockets are short
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=2,
        include_dashboard=False,
        object_store_memory=80 << 20,
        log_to_driver=False,
        logging_level="ERROR",
        _temp_dir=str(folder.path),
    )
    yield
    ray.shutdown()
    folder.remove()


@pytest.fixture
def notes() -> list[str]:
    return []


def settings(**options: Any) -> ExecutionSettings:
    return ExecutionSettings(
        **{"executor": ExecutorKind.RAY, "ray_cpus": 0.5, "processes": 2, **options}
    )


def executor(notes: list[str], *, shared: bool | None = None, **options: Any) -> RayExecutor:
    return RayExecutor(settings(**options), Device.CPU, notes.append, shared=shared, placed_s=2.0)


def order_of(stage: str, pools: SharedPools, folder: Path) -> Order:
    reads = {"embed": "ingest", "mine": "embed"}[stage]
    record = StageFolder(folder / reads).record()
    assert record is not None
    return Order.of(stage, pools.recipe()[stage], folder, {reads: record})


def pid_of(member: Member) -> int:
    return int(ray.get(member._actor.__ray_call__.remote(lambda actor: os.getpid())))


class Killing:
    """Kills workers as they begin a job: by Ray, by the system, in turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.left, self.killed = times, 0
        begin = Member.begin

        def begin_and_die(member: Member, job: Job, supply: Any) -> None:
            pid = pid_of(member) if self.left else 0
            begin(member, job, supply)
            if pid:
                self.left, self.killed = self.left - 1, self.killed + 1
                if self.killed % 2:
                    os.kill(pid, signal.SIGKILL)
                else:
                    ray.kill(member._actor)

        monkeypatch.setattr(Member, "begin", begin_and_die)


def progress_of(monkeypatch: pytest.MonkeyPatch) -> list[JobProgress]:
    """Collect what crews say of their progress."""
    seen: list[JobProgress] = []
    make = RayCrew.make

    def listed(crew: RayCrew, jobs: Sequence[Job]) -> Iterator[JobProgress]:
        for made in make(crew, jobs):
            seen.append(made)
            yield made

    monkeypatch.setattr(RayCrew, "make", listed)
    return seen


@pytest.mark.parametrize("shared", [True, False])
def test_actors_write_the_bytes_of_one_though_two_die(
    shared: bool,
    notes: list[str],
    shared_pools: SharedPools,
    whole_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest")
    by_driver: list[str] = []
    make = StageFolder.make_shard

    def counted(folder: StageFolder, key: str, *made: Any) -> Any:
        by_driver.append(key)
        return make(folder, key, *made)

    monkeypatch.setattr(StageFolder, "make_shard", counted)
    seen = progress_of(monkeypatch)
    killing = Killing(monkeypatch, times=2)
    recipe = shared_pools.recipe()
    run({"embed": recipe["embed"]}, out, executor(notes, shared=shared))
    assert (killing.killed, by_driver, notes) == (2, [], [])
    for phase in ("captions", "flags"):
        own = [made for made in seen if made.job.phase == phase]
        assert sum(made.rows for made in own) == 270
        assert sum(made.done for made in own) == 9
    run(recipe, out, executor(notes, shared=shared))
    assert outputs(out) == outputs(whole_run)
    assert not [*out.glob(".ray*")]


def test_job_that_kills_every_worker_is_an_error(
    notes: list[str],
    shared_pools: SharedPools,
    whole_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest")
    Killing(monkeypatch, times=3)
    with pytest.raises(DeviceError, match=r"3 workers ended while they made part 1/8 of captions"):
        run({"embed": shared_pools.recipe()["embed"]}, out, executor(notes, processes=1))


def test_workers_without_a_place_are_named(
    notes: list[str], shared_pools: SharedPools, whole_run: Path
) -> None:
    order = order_of("mine", shared_pools, whole_run)
    asked = executor(notes, ray_cpus=8, ray_gpus=3)
    started = time.monotonic()
    with (
        pytest.raises(
            DeviceError,
            match=r"^2 of 2 Ray workers found no place within 2 s: each asks for 8 CPUs and 3 GPUs,"
            r" the cluster has 2 CPUs \(2 free\) and 2 GPUs \(2 free\) on 1 node; ask for less",
        ),
        asked.open(order),
    ):
        pass
    assert time.monotonic() - started < 30


def test_placed_workers_go_on_without_the_others(
    notes: list[str], shared_pools: SharedPools, whole_run: Path
) -> None:
    order = order_of("embed", shared_pools, whole_run)
    with executor(notes, ray_gpus=1, processes=3).open(order) as crew:
        assert isinstance(crew, RayCrew)
        while len(crew._in(State.FREE)) < 2 or not notes:
            assert [*crew._step()] == []
        assert notes[0].startswith(
            "embed: 1 of 3 Ray workers found no place within 2 s: each asks for 0.5 CPUs and 1 "
            "GPU, the cluster has 2 CPUs ("
        )
        assert notes[0].endswith("; going on with those that did")
        own = [
            ray.get(
                member._actor.__ray_call__.remote(
                    lambda actor: [
                        os.environ[name] for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
                    ]
                )
            )
            for member in crew._in(State.FREE)
        ]
        assert sorted(own) == [["0", "1"], ["1", "1"]]


def test_places(monkeypatch: pytest.MonkeyPatch) -> None:
    def workers(device: Device, **options: Any) -> int:
        return Places(ray, settings(**{"processes": None, **options}), device).workers

    assert workers(Device.CPU) == 4
    assert workers(Device.AUTO) == 2  # one GPU each
    assert workers(Device.AUTO, ray_gpus=0.25, ray_cpus=1) == 2
    assert workers(Device.AUTO, ray_cpus=64) == 1
    assert workers(Device.AUTO, processes=7) == 7
    with pytest.raises(
        ConfigError, match=r"ray_gpus is 1\.5; expected a part of one GPU or a whol"
    ):
        workers(Device.AUTO, ray_gpus=1.5)


def test_worker_of_another_version_is_refused(
    notes: list[str], shared_pools: SharedPools, whole_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_of("embed", shared_pools, whole_run)
    monkeypatch.setattr(ray_member, "__version__", "9.9")
    with (
        pytest.raises(ModelError, match=r"^worker 1: has nsfwcaps \d.*, the driver 9\.9; install"),
        executor(notes, processes=1).open(order),
    ):
        pass


def test_worker_with_other_weights_is_refused(
    notes: list[str], shared_pools: SharedPools, whole_run: Path
) -> None:
    order = order_of("embed", shared_pools, whole_run)
    other = replace(order, fingerprint="0" * 64, inputs={**order.inputs, "source": "0" * 64})
    with (
        pytest.raises(
            ModelError, match=r"^worker 1 on .*source changed; give all of them the same"
        ),
        executor(notes, processes=1).open(other),
    ):
        pass


def test_driver_does_what_workers_do_not_see(
    notes: list[str], shared_pools: SharedPools, whole_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_of("embed", shared_pools, whole_run)
    vectors, start = shared_pools.folder / "vectors", RayCrew.start

    def start_elsewhere(crew: RayCrew) -> None:
        vectors.rename(vectors.with_name("moved"))
        start(crew)

    monkeypatch.setattr(RayCrew, "start", start_elsewhere)
    try:
        with executor(notes, processes=1).open(order) as crew:
            assert crew.size == 0
    finally:
        vectors.with_name("moved").rename(vectors)
    assert len(notes) == 1
    assert notes[0].startswith("embed: this process does it alone, as worker 1 on ")
    assert notes[0].endswith(f": this machine does not see {vectors}")


def test_killed_driver_leaves_no_actor(
    shared_pools: SharedPools, whole_run: Path, tmp_path: Path
) -> None:
    out = copied(whole_run, tmp_path / "run", "ingest")
    address = ray.get_runtime_context().gcs_address
    command = [
        *(sys.executable, "-m", "nsfwcaps", "embed", "-w", str(out), "--executor", "ray"),
        *("--source", str(shared_pools.folder / "vectors"), "--processes", "1"),
        *("--ray-cpus", "0.5", "--ray-gpus", "0", "--ray-address", address),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as driver:
        until = time.monotonic() + 60
        while not actors() and driver.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert actors(), driver.stderr and driver.stderr.read()
        driver.kill()
    while actors() and time.monotonic() < until:
        time.sleep(0.1)
    assert not actors()


def actors() -> list[int]:
    import psutil

    found = psutil.process_iter(["cmdline"])
    own = psutil.Process().pid
    return [
        process.pid
        for process in found
        if NAME in " ".join(process.info["cmdline"] or ())
        and own in {parent.pid for parent in process.parents()}
    ]
