"""The command that opens the page: what it keeps, what it refuses, and that it leaves no server."""

from __future__ import annotations

import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import small_review
from support.shell import Said, call, start

from nsfwcaps.review.database import Database
from nsfwcaps.review.queue.opening import policy_of

SECRET = "quillwort"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that has a data set of six pairs, and nothing else."""
    small_review.pair_set(tmp_path / "run" / "dataset")
    return tmp_path / "run"


def write_pairs(run: Path, rows: list[dict[str, Any]]) -> None:
    (path,) = (run / "dataset" / "data").iterdir()
    pq.write_table(pa.Table.from_pylist(rows), path)


def prepare(run: Path, *options: object) -> Said:
    return call("review", "--data", run, "--prepare", *options)


def rules(path: Path) -> dict[str, Any]:
    database = Database(str(path))
    with database.read() as connection:
        found = policy_of(connection).as_json()
    database.close()
    return found


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("localhost", 0))
        return int(trial.getsockname()[1])


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_a_folder_without_a_data_set_is_refused(tmp_path: Path) -> None:
    said = call("review", "--data", tmp_path)
    assert (said.code, said.out) == (4, "")
    assert "no published data set here" in said.err
    assert list(tmp_path.iterdir()) == []


def test_what_to_review_has_to_be_named() -> None:
    said = call("review")
    assert (said.code, said.out) == (2, "")
    assert "--data RUN" in said.err


def test_a_port_in_use_is_refused_before_anything_is_written(run: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        said = call("review", "--data", run, "--port", taken.getsockname()[1])
    assert (said.code, said.out) == (2, "")
    assert "choose another with --port" in said.err
    assert not (run / "review.sqlite").exists()


def test_preparing_fills_the_queue_beside_the_data_set_and_ends(run: Path) -> None:
    said = prepare(run)
    assert (said.code, said.err) == (0, "")
    assert said.out == "pairs in the queue: 6, 2 people per pair\n"
    counted = call("review", "status", "--db", run / "review.sqlite", "--json").json
    assert counted["whole"]["pairs"] == 6


def test_the_data_set_alone_can_be_named(run: Path) -> None:
    assert prepare(run / "dataset").code == 0
    assert (run / "review.sqlite").is_file()


def test_rules_hold_until_they_are_given_anew(run: Path) -> None:
    prepare(run, "--overlap", 3, "--break-minutes", 9)
    assert "3 people per pair" in prepare(run).out
    assert "one person per pair" in prepare(run, "--overlap", 1).out
    found = rules(run / "review.sqlite")
    assert (found["overlap"], found["break_minutes"]) == (1, 9)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--overlap", 0), ("--gold-share", 0.9), ("--severity", "weapons=harmless")],
)
def test_a_rule_that_cannot_be_is_refused_and_the_old_one_holds(
    run: Path, option: str, value: object
) -> None:
    prepare(run)
    before = rules(run / "review.sqlite")
    said = prepare(run, option, value)
    assert (said.code, said.out) == (2, "")
    assert rules(run / "review.sqlite") == before


def test_a_data_set_that_changed_is_taken_in_only_when_asked(run: Path) -> None:
    prepare(run)
    rows = small_review.rows()
    write_pairs(run, [*rows[1:], {**rows[0], "pair_id": "pair-7"}])
    said = prepare(run)
    assert (said.code, said.out) == (11, "")
    assert "(new pairs: 1, gone: 1); add --update" in said.err
    said = prepare(run, "--update")
    assert said.code == 0
    assert "new: 1; no longer in the data set: 1" in said.out
    assert prepare(run).code == 0


def test_a_database_of_another_data_set_is_refused_even_to_update(run: Path) -> None:
    prepare(run)
    others = [{**row, "pair_id": f"other-{row['pair_id']}"} for row in small_review.rows()]
    write_pairs(run, others)
    for options in ([], ["--update"]):
        said = prepare(run, *options)
        assert (said.code, said.out) == (11, "")
        assert "reviews another data set" in said.err


def test_the_database_can_come_from_the_environment(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSFWCAPS_REVIEW_DB", str(tmp_path / "other.sqlite"))
    assert prepare(run).code == 0
    assert (tmp_path / "other.sqlite").is_file()
    assert not (run / "review.sqlite").exists()


@pytest.mark.parametrize("way", ["option", "environment"])
def test_no_password_of_an_address_is_printed(
    run: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    address = f"postgresql://lea:{SECRET}@localhost:1/review"
    if way == "environment":
        monkeypatch.setenv("NSFWCAPS_REVIEW_DB", address)
    said = prepare(run, *(["--db", address] if way == "option" else []))
    assert (said.code, said.out) == (7, "")
    assert "localhost:1/review" in said.err
    shown = call("review", "--help")
    assert SECRET not in said.err + shown.out + shown.err


def test_the_list_of_processes_does_not_name_the_database_and_stopping_leaves_no_server(
    run: Path,
) -> None:
    port = free_port()
    process = start("review", "--data", run, "--db", run / "kept.sqlite", "--port", port)
    deadline = time.monotonic() + 60
    while not answers(port) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert answers(port)
    words = psutil.Process(process.pid).cmdline()
    assert Path(words[1]).name == "review_server.py"
    assert not [word for word in words if "kept.sqlite" in word]
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert not answers(port)
    assert f"Open http://localhost:{port}" in out
    assert "with the code " in out
