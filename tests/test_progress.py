"""Progress: what is counted, how fast, and how long it will take."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from nsfwcaps import progress
from nsfwcaps.progress import Bars, PlainLines
from nsfwcaps.work import Work, WorkSplit


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_every_ten_seconds(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with PlainLines().task("embed", 10_000) as advance:
        for _ in range(20):
            clock[0] += 1
            advance(100)
    assert capsys.readouterr().err.splitlines() == [
        "embed: 1,000 of 10,000 rows, 100 rows/s, 90 s left",
        "embed: 2,000 of 10,000 rows, 100 rows/s, 80 s left",
    ]


def test_what_was_done_before_counts_but_not_for_the_speed(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with PlainLines().task("train", 1000, unit="pairs", done=940) as advance:
        clock[0] += 12
        advance(30)
    assert capsys.readouterr().err == "train: 970 of 1,000 pairs, 2.5 pairs/s, 12 s left\n"


def test_threads_count_together(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with PlainLines().task("embed", None) as advance, ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: [advance(1) for _ in range(2000)], range(8)):
            pass
        clock[0] += 10
        advance(1)
    assert capsys.readouterr().err == "embed: 16,001 rows, 1,600 rows/s\n"


def test_without_a_total(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with PlainLines().task("read", None) as advance:
        clock[0] += 10
        advance(50)
    assert capsys.readouterr().err == "read: 50 rows, 5.0 rows/s\n"


def test_bars_start_where_the_work_goes_on(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich import progress as rich_progress

    made: list[rich_progress.Progress] = []
    real = rich_progress.Progress.__init__
    monkeypatch.setattr(
        rich_progress.Progress,
        "__init__",
        lambda bar, *columns, **options: [made.append(bar), real(bar, *columns, **options)][1],
    )
    with Bars().task("train", 1000, unit="pairs", done=940) as advance:
        clock[0] += 2
        advance(30)
        (task,) = made[0].tasks
        assert (task.completed, task.total) == (970, 1000)
        assert task.fields["rate"] == "15 pairs/s"


def test_the_split_of_the_time_has_a_line_of_its_own(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    split = WorkSplit()
    split.add(Work.READ, 50.0)  # before this task
    with PlainLines().task("embed", 10_000, split=split) as advance:
        for _ in range(10):
            with split.timed(Work.PREPARE, workers=2):
                clock[0] += 1
            split.add(Work.COMPUTE, 0.31)
        advance(1000)
    assert capsys.readouterr().err.splitlines() == [
        "embed: 1,000 of 10,000 rows, 100 rows/s, 90 s left",
        "  busy: prepare 50 %, compute 31 %",
    ]


def test_bars_with_a_split_fit_a_terminal_of_80_columns(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    split = WorkSplit()
    with Bars().task("embed", 1_000_000, split=split) as advance:
        clock[0] += 100
        for work, seconds in zip(Work, (2.0, 95.0, 31.0, 1.0), strict=True):
            split.add(work, seconds)
        advance(1000)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err).splitlines()
    assert "  busy: read 2 %, prepare 95 %, compute 31 %, write 1 %" in [x.rstrip() for x in lines]
    assert max(map(len, lines)) <= 80
