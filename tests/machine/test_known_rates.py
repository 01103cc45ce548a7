"""Rates that this machine has shown, and estimates from them."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from nsfwcaps import cache
from nsfwcaps.machine.known_rates import estimate, machine_name, rates_file, remember, remembered


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_estimate_adds_what_each_kind_takes() -> None:
    known = {"captions": (100, 2.0), "loading": (1, 5.0)}
    assert estimate({"captions": 300, "loading": 1}, known) == 11.0
    assert estimate({"captions": 300, "pictures": 0}, known) == 6.0
    assert estimate({}, known) == 0.0


def test_there_is_none_for_what_was_not_measured_or_on_far_too_little() -> None:
    known = {"captions": (100, 2.0)}
    assert estimate({"captions": 1, "pictures": 1}, known) is None
    assert estimate({"captions": 10_000}, known) == 200.0
    assert estimate({"captions": 10_001}, known) is None


def test_the_first_measurement_of_enough_counts() -> None:
    run, machine = {"captions": (10, 1.0)}, {"captions": (1000, 50.0)}
    assert estimate({"captions": 100}, run, machine) == 10.0
    assert estimate({"captions": 5000}, run, machine) == 250.0


def test_what_is_remembered_is_the_mean_or_that_of_far_more_work() -> None:
    remember({"captions": (100, 2.0)})
    remember({"captions": (200, 2.0)})
    assert remembered() == {"captions": (200, 3.0)}
    remember({"captions": (10, 9.0), "pictures": (1, 1.0)})
    assert remembered() == {"captions": (200, 3.0), "pictures": (1, 1.0)}
    remember({"captions": (900, 9.0)})
    assert remembered()["captions"] == (900, 9.0)


def test_other_machines_keep_theirs(folder: Path) -> None:
    folder.mkdir()
    rates_file().write_text('{"another": {"captions": [1, 1]}}')
    assert remembered() == {}
    remember({"captions": (2, 1.0)})
    found = json.loads(rates_file().read_text())
    assert found == {"another": {"captions": [1, 1]}, machine_name(): {"captions": [2, 1.0]}}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"MACHINE": 3}', b'{"MACHINE": {"captions": [0, "x"]}}'],
)
def test_a_damaged_file_is_ignored_and_replaced(folder: Path, content: bytes) -> None:
    folder.mkdir()
    rates_file().write_bytes(content.replace(b"MACHINE", machine_name().encode()))
    assert remembered() == {}
    remember({"captions": (2, 1.0)})
    assert remembered() == {"captions": (2, 1.0)}


def test_a_folder_that_cannot_be_written_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file"))
    remember({"captions": (2, 1.0)})
    assert remembered() == {}


def test_what_is_no_rate_is_left_out() -> None:
    remember({"captions": (0, 1.0), "pictures": (1, float("nan")), "pairs": (1, 2.0)})
    assert remembered() == {"pairs": (1, 2.0)}


def test_runs_that_end_together_leave_a_whole_file(folder: Path) -> None:
    def add(number: int) -> None:
        for _ in range(20):
            remember({f"kind {number}": (1, 1.0)})
            assert all(rate == (1, 1.0) for rate in remembered().values())

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert remembered()
    assert [path.name for path in folder.iterdir()] == ["rates.json"]
