"""A run that was interrupted goes on where it stopped, and ends as one that was not."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.ingest_place import Place, copies

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.pipeline import run_stage, state
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.ingest import pool_rows, read
from nsfwcaps.stages.ingest.settings import IngestSettings


class InterruptedRunError(Exception):
    """Stands for a kill."""


@pytest.fixture
def pools(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Pools that are staged as five and three chunks, and merged as four and three shards."""
    monkeypatch.setattr(read, "_CHUNK_ROWS", 10)
    return {
        "safe": (place.pool("safe.jsonl", [f"a vase {n} on a table" for n in range(49)] + [""]),),
        "unsafe": (place.pool("unsafe.jsonl", [f"a thing {n} on a table" for n in range(30)]),),
        "shard_rows": 14,
    }


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count the shards that are written, by the first group they hold."""
    counter: Counter[str] = Counter()
    commit = StageFolder._commit

    def count(folder: StageFolder, key: str, made: Any, started: float) -> Any:
        counter[next(iter(made.tables))[0]] += 1
        return commit(folder, key, made, started)

    monkeypatch.setattr(StageFolder, "_commit", count)
    return counter


def interrupt(place: Place, pools: dict[str, Any], *, after: int) -> None:
    """Ingest, and break off when so many shards are written."""
    commit = StageFolder._commit
    left = after

    def fail_at_last(folder: StageFolder, *args: Any) -> Any:
        nonlocal left
        if left == 0:
            raise InterruptedRunError
        left -= 1
        return commit(folder, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StageFolder, "_commit", fail_at_last)
        with pytest.raises(InterruptedRunError):
            place.ingest(**pools)


def test_uninterrupted_run_writes_every_shard_once(
    place: Place, pools: dict[str, Any], written: Counter[str]
) -> None:
    place.ingest(**pools)
    assert written == {"staged-safe": 5, "staged-unsafe": 3, "safe": 4, "unsafe": 3}


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (0, {"staged-safe": 5, "staged-unsafe": 3, "unsafe": 3, "safe": 4}),
        (3, {"staged-safe": 2, "staged-unsafe": 3, "unsafe": 3, "safe": 4}),
        (8, {"unsafe": 3, "safe": 4}),
        (12, {"safe": 3}),
    ],
)
def test_interrupted_run_goes_on_where_it_stopped(
    place: Place, pools: dict[str, Any], written: Counter[str], after: int, left: dict[str, int]
) -> None:
    whole = place.ingest("whole", **pools)
    interrupt(place, pools, after=after)
    written.clear()
    record = place.ingest(**pools)
    assert written == left
    assert record.output_digest == whole.output_digest
    assert (record.facts, record.rejects) == (whole.facts, whole.rejects)


KILLED_RUN = """
import json, os, signal, sys
from pathlib import Path

from nsfwcaps.pipeline import run_stage
from nsfwcaps.stages import STAGE
from nsfwcaps.progress import Silent
from nsfwcaps.stages.ingest.settings import IngestSettings
from nsfwcaps.stages.ingest import read

workdir, calls, settings = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
read._CHUNK_ROWS = 10
fsync = os.fsync


def kill_at_last(handle):
    global calls
    calls -= 1
    if calls == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(handle)


os.fsync = kill_at_last
run_stage(STAGE["ingest"], IngestSettings(**settings), workdir, Silent())
"""


@pytest.mark.parametrize("fsyncs", [1, 7, 33])
def test_run_that_is_killed_goes_on_to_the_same_output(
    place: Place, pools: dict[str, Any], fsyncs: int
) -> None:
    whole = place.ingest("whole", **pools)
    arguments = [str(place.folder / "work"), str(fsyncs), json.dumps(pools)]
    done = subprocess.run([sys.executable, "-c", KILLED_RUN, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (place.folder / "work" / "ingest" / "stage.json").exists()
    record = place.ingest(**pools)
    assert (record.output_digest, record.facts) == (whole.output_digest, whole.facts)
    assert list((place.folder / "work" / "ingest").glob(".part-*")) == []


def test_interrupted_run_may_go_on_with_other_shards(
    place: Place, pools: dict[str, Any], written: Counter[str]
) -> None:
    interrupt(place, pools, after=9)
    written.clear()
    record = place.ingest(**pools | {"shard_rows": 50})
    assert written == {"unsafe": 1, "safe": 1}
    assert record.facts["captions"] == {"safe": 49, "unsafe": 30}


def test_run_that_failed_for_its_rejects_keeps_what_it_read(
    place: Place, pools: dict[str, Any], written: Counter[str]
) -> None:
    bad = place.pool("bad.jsonl", ["a cup on a table", "", "", ""])
    pools["safe"] += (bad,)
    with pytest.raises(Exception, match="max_reject_share"):
        place.ingest(**pools)
    written.clear()
    place.ingest(**pools, max_reject_share=0.9)
    assert written == {"staged-unsafe": 3, "unsafe": 3, "safe": 4}


@pytest.mark.parametrize("change", [{"shard_rows": 50}, {"max_chars": 100}])
def test_other_settings_after_a_finished_run_lose_no_caption(
    place: Place, pools: dict[str, Any], change: dict[str, int]
) -> None:
    before = place.ingest(**pools)
    expected = {group: copies(before, group) for group in ("safe", "unsafe")}
    after = place.ingest(**pools | change)
    assert {group: copies(after, group) for group in expected} == expected
    assert after.rejects == before.rejects == {"empty": 1}


@pytest.mark.parametrize("group", ["safe", "unsafe", "rejects"])
def test_damaged_output_is_rebuilt(place: Place, pools: dict[str, Any], group: str) -> None:
    before = place.ingest(**pools)
    path = before.paths(group)[0]
    good = path.read_bytes()
    path.write_bytes(good[:-1] + b"?")
    after = place.ingest(**pools)
    assert after.output_digest == before.output_digest
    assert path.name in {item.name for item in after.paths(group)}
    assert path.read_bytes() == good


def test_changed_content_under_the_same_path_is_noticed(place: Place) -> None:
    unsafe = place.pool("unsafe.jsonl", ["a handgun on a table"])
    pools = {"safe": (place.pool("safe.jsonl", ["a vase on a table"]),), "unsafe": (unsafe,)}
    settings = IngestSettings(**pools)
    first = place.ingest(**pools)
    place.pool("safe.jsonl", ["a cups on a table"])  # as long as before
    assert state(STAGE["ingest"], settings, place.folder / "work").value == "stale"
    second = place.ingest(**pools)
    assert copies(second, "safe") == {"a cups on a table": 1}
    assert second.output_digest != first.output_digest


def test_appended_rows_are_noticed_by_an_interrupted_run(
    place: Place, pools: dict[str, Any]
) -> None:
    interrupt(place, pools, after=6)
    texts = [f"a vase {n} on a table" for n in range(70)]
    place.pool("safe.jsonl", texts)
    assert copies(place.ingest(**pools), "safe") == dict.fromkeys(texts, 1)


def test_full_disk_leaves_the_finished_run_as_it_was(
    place: Place, pools: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = place.ingest(**pools)
    pools["max_chars"] = 100
    folder = StageFolder(place.folder / "work" / "ingest")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _full_from(call=9))
        with pytest.raises(OSError, match="full"):
            place.ingest(**pools)
    assert folder.record() == record
    assert folder.damaged(record) is None
    assert list(folder.path.glob(".part-*")) == []
    assert place.ingest(**pools).output_digest == record.output_digest


def _full_from(*, call: int) -> Any:
    calls = 0

    def fsync(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= call:
            raise OSError(errno.ENOSPC, "the disk is full")

    return fsync


@pytest.mark.parametrize(("after", "opened"), [(4, ["safe", "unsafe"]), (6, ["unsafe"]), (8, [])])
def test_pool_that_was_read_to_its_end_is_not_opened_again(
    place: Place,
    pools: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    after: int,
    opened: list[str],
) -> None:
    interrupt(place, pools, after=after)
    found = []
    read_pool = pool_rows.read_pool

    def watched(url: str, *more: Any) -> Any:
        found.append(Path(url).stem)
        return read_pool(url, *more)

    monkeypatch.setattr(pool_rows, "read_pool", watched)
    record = place.ingest(**pools)
    assert found == opened
    assert record.facts["captions"] == {"safe": 49, "unsafe": 30}


def test_run_with_nothing_to_do_reads_no_row(
    place: Place, pools: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place.ingest(**pools)
    monkeypatch.setattr(pool_rows, "read_pool", None)
    settings = IngestSettings(**pools)
    outcome = run_stage(STAGE["ingest"], settings, place.folder / "work", Silent())
    assert outcome.skipped
    assert outcome.record == first
