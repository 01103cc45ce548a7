"""Work in flight is bounded by time: a killed run goes on within a shard, to the same bytes."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.forked import Forked, start

OBJECTS = ("vase", "lamp", "chair", "bicycle", "bench", "kettle", "clock", "book", "ladder", "cup")
PLACES = ("table", "shelf", "street", "roof", "bridge", "lawn", "pier", "stage", "stair", "porch")
# The run keeps rows every so many seconds, and halts where it has written so many files of them.
SCRIPT = """
import os, signal
from nsfwcaps.artifacts import StageFolder
from nsfwcaps.encoders import keeping
keeping.SECONDS, files = {every_s}, {halt}
make_shard = StageFolder.make_shard
def halting(folder, *arguments):
    made = make_shard(folder, *arguments)
    if len(list(folder.path.glob("partial-*"))) == files:
        os.kill(os.getpid(), signal.SIGSTOP)
    return made
StageFolder.make_shard = halting
"""
CAPTIONS = 300


def captions(count: int) -> list[str]:
    """Distinct captions of several lengths."""
    return [
        f"A {OBJECTS[n % 10]}{' and a cup' * (n % 7)} on a {PLACES[n // 10 % 10]}, number {n}."
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the options of two pools, of one shard each."""
    folder = tmp_path_factory.mktemp("pools")
    for label, texts in (("safe", captions(CAPTIONS)), ("unsafe", ["A handgun on a table."])):
        pq.write_table(pa.table({"caption": texts}), folder / f"{label}.parquet")
    return ["--safe", str(folder / "safe.parquet"), "--unsafe", str(folder / "unsafe.parquet")]


def started(out: Path, pools: list[str], every_s: float, halt: int = -1) -> Forked:
    recipe = [*("build", "--out", str(out)), *pools, "--model", "minilm", "--quiet"]
    script = out.with_name("script.py")
    script.write_text(SCRIPT.format(every_s=every_s, halt=halt))
    return start(*recipe, "--batch-tokens", "512", before=script)


def vectors(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "embed").glob("*.arrow"))}


def partial(out: Path) -> list[Path]:
    return sorted((out / "embed").glob("partial-*"))


@pytest.fixture(scope="module")
def whole(pools: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the vectors of an uninterrupted run, which never kept anything."""
    out = tmp_path_factory.mktemp("whole") / "run"
    process = started(out, pools, every_s=1e9)
    assert process.wait() == 0, process.communicate()
    assert partial(out) == []
    return vectors(out)


def stopped(out: Path, pools: list[str], how: signal.Signals, files: int) -> int:
    """Stop a run where it has written so many files of rows; return its exit code."""
    process = started(out, pools, every_s=0.0, halt=files)  # every batch is kept
    while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(how)
    process.send_signal(signal.SIGCONT)
    return process.wait()


def test_a_killed_shard_goes_on_to_the_same_bytes(
    pools: list[str], whole: dict[str, bytes], tmp_path: Path
) -> None:
    """Files of rows survive a kill; one that is damaged, and those after it, are made again."""
    out = tmp_path / "run"
    assert stopped(out, pools, signal.SIGKILL, files=4) == -signal.SIGKILL
    kept = partial(out)
    known = sum(pq.read_metadata(path).num_rows for path in kept)
    assert 0 < known < CAPTIONS
    assert not [name for name in vectors(out) if name.startswith("safe")]
    kept[-1].write_bytes(b"cut")
    times = {path: path.stat().st_mtime_ns for path in kept[:-1]}

    assert stopped(out, pools, signal.SIGINT, files=len(kept) + 2) == 130
    rewritten = [path for path in times if path.stat().st_mtime_ns != times[path]]
    assert len(rewritten) < len(times)

    last = started(out, pools, every_s=1e9)
    assert last.wait() == 0, last.communicate()
    assert vectors(out) == whole
    assert partial(out) == []
    rows = [json.loads(line) for line in (out / "embed" / "shards.jsonl").read_text().splitlines()]
    assert not [file for row in rows for file in row["files"] if file["group"] == "partial"]
