"""The command line on a real S3 server, over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.object_store import BUCKET, ObjectStore, serve
from support.shell import Pools, call, environment, states, tree, write_pools

SERVER = Path(__file__).parents[1] / "support" / "kill_server.py"


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with serve() as found:
        yield found


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    return write_pools(tmp_path_factory.mktemp("pools"))


@pytest.fixture(scope="module")
def whole(pools: Pools, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the same run without a store."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert call("build", "-o", folder, *pools.options, "--shard-rows", "20", "-q").code == 0
    return folder


@pytest.fixture(autouse=True)
def _machine(store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NSFWCAPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))  # no profile of the user
    yield
    new_client()


def new_client() -> None:
    """Forget the client that has read the environment."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


def build(pools: Pools, place: str) -> list[object]:
    return ["build", "-o", place, *pools.options, "--shard-rows", "20", "-q"]


def lasting(found: dict[str, bytes]) -> dict[str, bytes]:
    """All but records and journals, which tell how long things took."""
    return {n: d for n, d in found.items() if not n.endswith(("stage.json", "shards.jsonl"))}


def same(store: ObjectStore, name: str, whole: Path) -> None:
    found, expected = store.objects(f"{name}/"), tree(whole)
    assert sorted(found) == sorted(expected)
    assert lasting(found) == lasting(expected)


def test_build_then_read_on_another_machine(
    store: ObjectStore,
    pools: Pools,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = f"s3://{BUCKET}/built"
    made = call(*build(pools, place))
    assert (made.code, made.err) == (0, "")
    assert f"Data set: {place}/dataset" in made.out
    assert str(tmp_path) not in made.out
    same(store, "built", whole)
    monkeypatch.setenv("NSFWCAPS_CACHE", str(tmp_path / "other"))
    assert set(states(call("status", place, "--json")).values()) == {"up to date"}
    fetched = [path.name for path in (tmp_path / "other").rglob("*.parquet")]
    assert fetched == [], "status fetches no data"
    planned = call(*build(pools, place), "--dry-run", "--json").json["plan"]
    assert {facts["state"] for facts in planned.values()} == {"up to date"}
    shown = call("show", place, "--json", "-n", "3").json
    assert shown["pairs"] == 24
    data = call("show", f"{place}/dataset", "--json", "-n", "3").json
    assert data["pairs"] == 24
    again = call(*build(pools, place))
    assert again.out.count("up to date") == 5
    same(store, "built", whole)


def test_killed_and_continued_elsewhere(store: ObjectStore, pools: Pools, tmp_path: Path) -> None:
    place, alone = f"s3://{BUCKET}/killed", tmp_path / "alone"
    with subprocess.Popen(
        [sys.executable, SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**environment(), "OMP_NUM_THREADS": "1"},
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def run(target: str, cache: Path, kill_at: int | None) -> Any:
            task = {
                "arguments": [str(item) for item in build(pools, target)],
                "within": str(cache / "stores"),
                "kill_at": kill_at,
                "environment": {"NSFWCAPS_CACHE": str(cache)},
            }
            stdin.write(json.dumps(task) + "\n")
            stdin.flush()
            return json.loads(stdout.readline())

        assert run(str(alone), tmp_path, None)["code"] == 0
        runs = 0
        while run(place, tmp_path / f"machine-{runs % 2}", 400)["signal"] == signal.SIGKILL:
            runs += 1
            assert runs < 12, "no progress"
        stdin.close()
    assert runs > 0
    same(store, "killed", alone)


def test_a_run_that_another_command_holds(store: ObjectStore, pools: Pools) -> None:
    held = {"id": "x", "host": "node-7", "pid": 1, "since": "2026-01-02T03:04:05+00:00"}
    store.write("held/.lease.json", json.dumps(held).encode())
    said = call(*build(pools, f"s3://{BUCKET}/held"))
    assert said.code == 7
    assert f"s3://{BUCKET}/held: another nsfwcaps command is using it: host node-7" in said.err
    assert "since 2026-01-02T03:04:05+00:00" in said.err
    assert said.err.count("\n") == 1
    assert sorted(store.objects("held/")) == [".lease.json"]
    assert call("status", f"s3://{BUCKET}/held").code == 4, "reading is free"


def test_places_that_cannot_be_used(
    store: ObjectStore, pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("file", b"x")
    wrong = {
        "s3://no-such-bucket/run": (7, "s3://no-such-bucket: no such bucket"),
        f"s3://{BUCKET}/file": (7, "is an object, not a folder"),
        f"s3://{BUCKET}": (2, "expected s3://BUCKET/RUN"),
        "ftp://host/run": (2, "a run cannot be on 'ftp://'"),
    }
    for place, (code, text) in wrong.items():
        said = call(*build(pools, place))
        assert (said.code, said.err.count("\n")) == (code, 1), said.err
        assert text in said.err
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    new_client()
    said = call(*build(pools, f"s3://{BUCKET}/run"))
    assert said.code == 7
    assert "check the network, the address and the endpoint" in said.err


def test_keys_and_rights(store: ObjectStore, pools: Pools, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = store.user("reader", ["s3:Get*", "s3:List*"])
    nobody = store.user("nobody", ["s3:ListAllMyBuckets"])
    keeper = store.user("keeper", ["s3:Get*", "s3:List*", "s3:Put*"])
    cases = (
        (reader, "access denied, so that it cannot be written"),
        (nobody, "access denied, so that it cannot be read"),
        (keeper, "access denied, so that it cannot be written"),
        ({**reader, "AWS_SECRET_ACCESS_KEY": "x"}, "does not accept the credentials"),
        ({**reader, "AWS_ACCESS_KEY_ID": "x"}, "does not accept the credentials"),
    )
    with store.checking_keys():
        for keys, text in cases:
            for name, value in keys.items():
                monkeypatch.setenv(name, value)
            new_client()
            said = call(*build(pools, f"s3://{BUCKET}/closed"))
            assert (said.code, said.err.count("\n")) == (7, 1), said.err
            assert text in said.err
    (probe,) = store.objects("closed/")
    assert probe.startswith(".lease-probe-"), "what the keeper could not remove"


def test_without_keys_or_a_place_for_the_mirror(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSFWCAPS_CACHE", os.path.join(os.devnull, "cache"))
    said = call(*build(pools, f"s3://{BUCKET}/run"))
    assert said.code == 7
    assert "set NSFWCAPS_CACHE to another folder" in said.err
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    new_client()
    said = call(*build(pools, f"s3://{BUCKET}/run"))
    assert said.code == 7
    assert "no credentials for s3://bucket; set AWS_ACCESS_KEY_ID" in said.err


def test_exports_go_to_the_store(store: ObjectStore, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    place = f"s3://{BUCKET}/exported"
    said = call("export-data", tmp_path / "run", "--to", "tevatron", "-o", place, "-q")
    assert said.code == 0, said.err
    assert "train/corpus.jsonl" in store.objects("exported/")


def test_vectors_come_from_the_store(
    store: ObjectStore, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, vectors = tmp_path / "run", f"s3://{BUCKET}/vectors"
    shutil.copytree(whole / "ingest", run / "ingest")
    assert call("export-data", whole, "--to", "clip-retrieval", "-o", vectors, "-q").code == 0
    assert call("embed", "-w", run, "--source", vectors, "-q").code == 0
    monkeypatch.setenv("NSFWCAPS_CACHE", str(tmp_path / "another"))
    planned = call("embed", "-w", run, "--source", vectors, "--dry-run", "--json")
    assert planned.json["plan"]["embed"]["state"] == "up to date"
    said = call("embed", "-w", run, "--source", f"s3://{BUCKET}/nothing", "--dry-run")
    assert said.code == 3
    assert f"s3://{BUCKET}/nothing: no text_emb/*.npy" in said.err
