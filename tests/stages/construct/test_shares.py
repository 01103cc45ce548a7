"""construct by several processes or in parts: the bytes of one process, whoever made what."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.construct_place import captions, recipe, record, write_pool
from support.shell import Said, call, tree

from nsfwcaps.artifacts import ShardTables, StageFolder
from nsfwcaps.stages.construct import CONSTRUCT
from nsfwcaps.stages.construct.read import read_pool_captions
from nsfwcaps.stages.construct.requests import screened
from nsfwcaps.stages.construct.settings import ConstructSettings
from nsfwcaps.stages.construct.waves import Waves

EDITABLE, ALL = 50, 2000
EVERY = ALL // EDITABLE
LOOSE: dict[str, Any] = {
    "n": 12,
    "near_duplicate": 1.0,
    "min_alignment": 0.3,
    "element_share": 0.5,
    "category": ["violence", "self-harm"],
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a pool of which the rules can edit one caption in forty: blocks are quick."""
    edited = captions(EDITABLE)
    texts = [
        edited[n // EVERY] if n % EVERY == 0 else f"The sky above corridor {n}" for n in range(ALL)
    ]
    return write_pool(tmp_path_factory.mktemp("pool") / "safe.jsonl", texts)


@pytest.fixture(scope="module")
def options(pool: Path) -> dict[str, Any]:
    """Return the settings of the stage; two captions of the pool are in a benchmark."""
    exclude = pool.with_name("benchmark.txt")
    exclude.write_text("\n".join(captions(EDITABLE + 2)[-4:]) + "\n")
    return {"exclude": [str(exclude)], **LOOSE}


@pytest.fixture(scope="module")
def alone(pool: Path, options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run by one process."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    assert run(folder, pool, options).code == 0
    return folder


def run(folder: Path, pool: Path, options: dict[str, Any], *more: str) -> Said:
    path = recipe(folder.parent / f"{folder.name}-recipe", pool, **options)
    return call("run", path, "-w", folder, *more)


def made(folder: Path) -> dict[str, Any]:
    """Everything in a run's folder but how long it took."""
    timeless = record(folder)
    del timeless["seconds"]
    logs = ("construct/stage.json", "construct/shards.jsonl", ".lock")
    return {"record": timeless} | {n: d for n, d in tree(folder).items() if n not in logs}


def waves_of(pool: Path, options: dict[str, Any], folder: StageFolder) -> Waves:
    """The waves of a stage of which nothing is done."""
    settings = ConstructSettings(
        pool=(str(pool),),
        **{name: tuple(v) if isinstance(v, list) else v for name, v in options.items()},
    )
    folder.prepare()
    usable, _ = screened(read_pool_captions(settings, lambda rows: None), settings, [])
    return Waves(settings, folder, usable)


def kill_a_worker(folder: Path, killed: list[int], ended: threading.Event) -> None:
    """Wait for the first block that a worker has finished; kill it."""
    while not ended.wait(0.002):
        for journal in (folder / "construct").glob("shards-*.jsonl"):
            if b'"block"' in journal.read_bytes():
                killed.append(int(journal.stem.rpartition("-")[2]))
                os.kill(killed[0], signal.SIGKILL)
                return


def test_first_wave_is_what_is_needed_for_certain(
    pool: Path, options: dict[str, Any], tmp_path: Path
) -> None:
    """Three candidates for each of 400 pairs take 1,200 requests at least: two blocks."""
    waves = waves_of(pool, {**options, "n": 400}, StageFolder(tmp_path))
    assert [len(block) for block in waves.wave(1)] == [1024, 1024]


def test_all_edits_are_one_wave_if_their_number_is_set(
    pool: Path, options: dict[str, Any], tmp_path: Path
) -> None:
    waves = waves_of(pool, {**options, "tries": 100}, StageFolder(tmp_path))
    assert [len(block) for block in waves.wave(1)] == [1024, 176]


def test_next_wave_follows_from_what_came_of_the_first(
    pool: Path, options: dict[str, Any], tmp_path: Path
) -> None:
    """One category has its 600 candidates, so that only the 976 others of the other are asked."""
    folder = StageFolder(tmp_path)
    waves = waves_of(pool, {**options, "n": 400}, folder)
    found = {"by_category": {"violence": 300, "self-harm": 100}}
    made = ShardTables(tables={}, rows_in=1024, facts=found)
    for number, block in enumerate(waves.wave(1)):
        waves.note(block, folder.make_shard(f"{number}" * 64, lambda: made))
    wave = waves.wave(2)
    assert [len(block) for block in wave] == [976]
    assert {request.category.value for block in wave for request in block} == {"self-harm"}


def test_a_worker_is_killed(
    alone: Path, pool: Path, options: dict[str, Any], tmp_path: Path
) -> None:
    killed, ended = list[int](), threading.Event()
    watch = threading.Thread(target=kill_a_worker, args=(tmp_path / "run", killed, ended))
    watch.start()
    said = run(tmp_path / "run", pool, options, "--executor", "processes", "--processes", "2")
    ended.set()
    watch.join()
    assert said.code == 0, said.err
    assert len(killed) == 1
    assert made(tmp_path / "run") == made(alone)


def test_parts(alone: Path, pool: Path, options: dict[str, Any], tmp_path: Path) -> None:
    """One after the other, each until it needs the others; then the call without a part."""
    folder, lines = tmp_path / "run", []
    for number in (1, 2, 1, 2, 1):
        said = run(folder, pool, options, "--part", f"{number}/2")
        assert said.code == 0, said.err
        lines.append(said.out.strip().removeprefix("construct part "))
        if "all parts are made" in said.out:
            break
    first = "what follows needs parts {}: run them, then this part again"
    assert lines == [
        f"1/2: its share of exclude is made; {first.format('2/2')}",
        f"2/2: its share of edit 1 is made; {first.format('1/2')}",
        f"1/2: its share of edit 2 is made; {first.format('2/2')}",
        "2/2: all parts are made; run the same command once without --part",
    ]
    assert not (folder / "construct" / "stage.json").exists()
    other = run(folder, pool, {**options, "seed": 1}, "--part", "2/2")
    assert other.code == 5
    assert "seed" in other.err
    not_needed = ShardTables(
        tables={("candidates", "candidates"): pa.table({"id": ["0"]})}, rows_in=1
    )
    helper = StageFolder(folder / "construct", writer="helper")
    helper.prepare()
    helper.make_shard("0" * 64, lambda: not_needed)
    assert run(folder, pool, options).code == 0
    assert made(folder) == made(alone)


def test_what_cannot_be_shared_is_said(pool: Path, options: dict[str, Any], tmp_path: Path) -> None:
    said = run(tmp_path / "run", pool, options, "--part", "3/2")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "part 3/2: expected i/n with 1 ≤ i ≤ n" in said.err
    editor = "openai:http://localhost:9/v1#some-model"
    said = run(tmp_path / "run", pool, {**options, "editor": editor}, "--part", "1/2")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "one process asks the editor's endpoint" in said.err
    assert not (tmp_path / "run" / "construct").exists()


def test_an_endpoint_is_left_to_the_driver() -> None:
    endpoint = ConstructSettings(editor="openai:http://localhost:9/v1#some-model")
    assert CONSTRUCT.alone(endpoint) is not None
    assert CONSTRUCT.alone(ConstructSettings()) is None


def test_pools_of_others_are_not_replaced(
    pool: Path, options: dict[str, Any], tmp_path: Path
) -> None:
    theirs = tmp_path / "run" / "pools" / "safe" / "mine.parquet"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    said = run(tmp_path / "run", pool, options, "--part", "1/1")
    assert said.code == 7
    assert "was not written by construct" in said.err
    assert [*(tmp_path / "run" / "construct").glob("shards*.jsonl")] == []
