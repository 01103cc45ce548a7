"""Mirrors of a store in memory, with a failure at every single call of the store."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import gethostname
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest

from nsfwcaps import observers
from nsfwcaps.artifacts import ShardFiles, StageFolder, StageRecord, StageResult
from nsfwcaps.errors import StorageError
from nsfwcaps.executors.claims import Claims, summary
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.settings import parsed_part
from nsfwcaps.stage_delivery import deliver
from nsfwcaps.stores import lease as leases
from nsfwcaps.stores.mirror import Mirror
from nsfwcaps.stores.session import Use, opened
from nsfwcaps.stores.store import Store

RUN = "memory://bucket/run"


@pytest.fixture(autouse=True)
def _store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(leases, "_SETTLE_S", 0.0)
    on_machine(monkeypatch, tmp_path, "a")
    yield
    files = fsspec.filesystem("memory")
    if files.exists("/bucket"):
        files.rm("/bucket", recursive=True)


def on_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv("NSFWCAPS_CACHE", str(tmp_path / name))


def objects() -> dict[str, bytes]:
    files = fsspec.filesystem("memory")
    return {
        name.removeprefix("/bucket/run/"): files.cat_file(name) for name in files.find("/bucket")
    }


def work(run: Path, texts: tuple[str, ...] = ("a", "b", "c"), made: list[str] | None = None) -> Any:
    """A stage of one shard for each text, delivered to `dataset`."""
    folder = StageFolder(run / "publish")
    folder.prepare()
    shards = []
    for text in texts:
        key = hashlib.sha256(text.encode()).hexdigest()

        def make(text: str = text, key: str = key) -> ShardFiles:
            if made is not None:
                made.append(text)
            return ShardFiles(contents={("dataset", f"{key[:12]}/{text}.txt"): text.encode()})

        shards.append(folder.shard_or(key, make))
    record = folder.finish(
        stage="publish",
        fingerprint="".join(texts),
        version="1",
        settings={},
        inputs={},
        result=StageResult(shards=shards),
        seconds=0.0,
    )
    deliver(record, run / "dataset", (), "three texts")
    return record


def work_opened(made: list[str], first: Callable[[], None] = lambda: None) -> None:
    """The same in the run on the store."""
    with opened(RUN, Use.WRITE) as run:
        first()
        work(run, made=made)


def lasting(found: dict[str, bytes]) -> dict[str, bytes]:
    return {n: d for n, d in found.items() if not n.endswith(("stage.json", "shards.jsonl"))}


def test_a_run_is_on_the_store_and_nothing_beside_it() -> None:
    with opened(RUN, Use.WRITE) as run:
        work(run)
    found = objects()
    assert {n: d for n, d in found.items() if n.startswith("dataset")} == {
        "dataset/a.txt": b"a",
        "dataset/b.txt": b"b",
        "dataset/c.txt": b"c",
    }
    texts = ["a.txt", "a.txt", "b.txt", "b.txt", "c.txt", "c.txt"]
    records = ["delivered.json", "shards.jsonl", "stage.json"]
    assert sorted(name.rpartition("/")[2] for name in found) == [*texts, *records]


def test_another_machine_finds_it_and_makes_nothing_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with opened(RUN, Use.WRITE) as run:
        work(run)
    before = objects()
    on_machine(monkeypatch, tmp_path, "b")
    made: list[str] = []
    with opened(RUN, Use.WRITE) as run:
        assert (run / "dataset" / "a.txt").read_text() == "a"
        work(run, made=made)
    assert made == []
    assert lasting(objects()) == lasting(before)


def test_what_is_replaced_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with opened(RUN, Use.WRITE) as run:
        work(run)
    on_machine(monkeypatch, tmp_path, "b")
    with opened(RUN, Use.WRITE) as run:
        work(run, ("b", "d"))
    names = {name.rpartition("/")[2] for name in objects()}
    assert names == {"b.txt", "d.txt", "delivered.json", "shards.jsonl", "stage.json"}
    on_machine(monkeypatch, tmp_path, "a")  # whose mirror still has the files of the first run
    with opened(RUN, Use.READ) as run:
        assert (run / "dataset" / "d.txt").is_file()
    with opened(RUN, Use.WRITE) as run:
        assert not (run / "dataset" / "a.txt").exists()


def test_commands_that_look_fetch_records_only() -> None:
    with opened(RUN, Use.WRITE) as run:
        record: StageRecord = work(run)
    (run / "publish" / record.files[0].path).unlink()
    with opened(RUN, Use.LOOK) as run:
        folder = StageFolder(run / "publish")
        found = folder.record()
        assert found is not None
        assert folder.damaged(found) is None
        assert not (run / "publish" / record.files[0].path).exists()
        assert [path.read_text() for path in found.paths("dataset")] == ["a", "b", "c"]


class _EndedError(BaseException):
    """Stands for the end of a process: nothing may catch it."""


def failing(monkeypatch: pytest.MonkeyPatch, at: int, error: Callable[[], BaseException]) -> None:
    """Let the store fail at its n-th change, and at all that follow."""
    count = 0

    def counted(method: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count >= at:
                raise error()
            return method(*arguments, **named)

        return call

    for name in ("put", "write", "create", "delete"):
        monkeypatch.setattr(Store, name, counted(getattr(Store, name)))


@pytest.mark.parametrize("same_machine", [True, False])
def test_ended_before_any_change_of_the_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, same_machine: bool
) -> None:
    with opened(RUN, Use.WRITE) as run:
        work(run)
    whole = lasting(objects())
    for at in range(1, 60):
        fsspec.filesystem("memory").rm("/bucket", recursive=True)
        on_machine(monkeypatch, tmp_path, f"first-{at}")
        with monkeypatch.context() as patched:
            failing(patched, at, _EndedError)
            try:
                with opened(RUN, Use.WRITE) as run:
                    work(run)
                    ended = False
            except _EndedError:
                ended = True
        forget_lease()
        if not same_machine:
            on_machine(monkeypatch, tmp_path, f"second-{at}")
        with opened(RUN, Use.WRITE) as run:
            work(run)
        assert lasting(objects()) == whole, f"ended before change {at}"
        if not ended:
            break
    assert at > 12
    assert not ended


def forget_lease() -> None:
    """A process that has ended keeps no lease for long; this one goes on."""
    files = fsspec.filesystem("memory")
    for name in files.find("/bucket"):
        if ".lease" in name:
            files.rm_file(name)


def test_a_network_that_fails_is_one_line_and_work_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []
    with monkeypatch.context() as patched:
        failing(patched, 4, lambda: StorageError("broken line"))
        with pytest.raises(StorageError, match="broken line"):
            work_opened(made)
    forget_lease()
    with opened(RUN, Use.WRITE) as run:
        work(run, made=made)
    assert sorted(made) == ["a", "b", "c"], "shards on this machine are pushed, not made again"
    assert objects()["dataset/c.txt"] == b"c"


def test_a_driver_that_lost_its_lease_writes_no_record() -> None:
    def take_over() -> None:
        taken = json.dumps({"host": "other"}).encode()
        fsspec.filesystem("memory").pipe_file("/bucket/run/.lease.json", taken)

    with pytest.raises(StorageError, match="taken over by host other"):
        work_opened([], first=take_over)
    assert "publish/stage.json" not in objects()


def test_an_edited_file_on_the_store_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with opened(RUN, Use.WRITE) as run:
        work(run)
    fsspec.filesystem("memory").pipe_file("/bucket/run/dataset/a.txt", b"mine")
    on_machine(monkeypatch, tmp_path, "b")
    with opened(RUN, Use.WRITE) as run:
        work(run, ("a", "d"))
    found = objects()
    assert found["dataset/a.txt"] == b"a"
    assert b"mine" in found.values()


def test_helpers_push_shards_that_the_driver_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = hashlib.sha256(b"b").hexdigest()
    with opened(RUN, Use.WRITE) as run:
        folder = StageFolder(run / "publish")
        folder.prepare()
        with monkeypatch.context() as patched:
            on_machine(patched, tmp_path, "helper")
            with opened(RUN, Use.SHARE) as theirs:
                own = StageFolder(theirs / "publish", writer="helper")
                own.prepare()
                contents = {("dataset", f"{key[:12]}/b.txt"): b"b"}
                own.shard_or(key, lambda: ShardFiles(contents=contents))
        folder.look_again()
        assert folder.shard(key) is not None
        made: list[str] = []
        work(run, made=made)
    assert made == ["a", "c"]
    assert not [name for name in objects() if "/journal/" in name]


def test_who_looks_sees_the_parts_of_other_machines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    order = Order(stage="embed", settings={}, workdir="", version="1", fingerprint="f", inputs={})
    with opened(RUN, Use.PART) as run, Claims(run, "embed").made(order, parsed_part("1/2")):
        on_machine(monkeypatch, tmp_path, "b")
        with opened(RUN, Use.LOOK) as looked:
            assert summary(looked, "embed") == f"parts of 2: 1/2 at work on {gethostname()}"
    with opened(RUN, Use.LOOK) as looked:
        assert summary(looked, "embed") == "parts of 2: 1/2 stopped"
    assert objects().keys() == {".parts/embed-1-of-2.json"}, "no probe is left"


def test_a_folder_has_no_observer(tmp_path: Path) -> None:
    with opened(tmp_path / "run", Use.WRITE) as run:
        assert run == tmp_path / "run"
        assert type(observers.of(run)) is observers.Observer
        work(run)
    assert (run / "dataset" / "a.txt").read_text() == "a"


@pytest.mark.parametrize(("free", "said"), [(0, True), (1 << 40, False)])
def test_a_full_disk_of_the_mirror_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, said: bool
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    with pytest.raises((StorageError, OSError)) as found, opened(RUN, Use.WRITE):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    here = f"{RUN} has its mirror in {tmp_path / 'a'}, and there the disk is full; set NSFWCAPS_"
    assert str(found.value).startswith(here) == said


def test_a_file_that_is_removed_during_its_push_is_left(tmp_path: Path) -> None:
    with opened(RUN, Use.WRITE) as run:
        (run / "notes.txt").write_text("a")
        mirror = Mirror(Store(RUN))
        put = mirror.store.put

        def removed_first(path: Path, name: str) -> Any:
            path.unlink()
            return put(path, name)

        mirror.store.put = removed_first  # type: ignore[method-assign]
        mirror.push("notes.txt")
    assert objects() == {}
