"""JSON lines that survive a kill: what was added is there, and half a row is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nsfwcaps.files import JsonLines

ROWS = [{"b": 1, "a": "\N{SNOWMAN}"}, {"b": 2, "a": None}]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "rows.jsonl"


def test_a_line_is_what_json_makes_of_a_row(path: Path) -> None:
    assert list(JsonLines(path).rows()) == []
    JsonLines(path).add(ROWS[:1])
    JsonLines(path, sort_keys=True).add(ROWS[1:])
    assert path.read_bytes() == b'{"b": 1, "a": "\\u2603"}\n{"a": null, "b": 2}\n'
    assert list(JsonLines(path).rows()) == ROWS


@pytest.mark.parametrize("cut", range(1, 21))
def test_after_any_cut_the_rows_before_stay_and_the_next_is_whole(path: Path, cut: int) -> None:
    JsonLines(path).add(ROWS)
    path.write_bytes(path.read_bytes()[:-cut])
    kept = ROWS if cut == 1 else ROWS[:1]  # all but the newline is still a row
    assert list(JsonLines(path).rows()) == kept
    JsonLines(path).add([{"c": 3}])
    assert list(JsonLines(path).rows()) == [*kept, {"c": 3}]


def test_a_line_of_no_text_at_all_is_skipped(path: Path) -> None:
    JsonLines(path).add(ROWS)
    path.write_bytes(b"\xff\xfe\n" + path.read_bytes())
    assert list(JsonLines(path).rows()) == ROWS


def test_replacing_is_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = JsonLines(path)
    lines.add(ROWS)
    lines.replace(reversed(ROWS))
    assert list(lines.rows()) == ROWS[::-1]

    def full(handle: int) -> None:
        raise OSError("full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        lines.replace([])
    assert list(lines.rows()) == ROWS[::-1]


def test_only_what_is_durable_waits_for_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    lines = JsonLines(path)
    lines.add(ROWS, durable=False)
    assert synced == []
    lines.sync()
    lines.add(ROWS)
    assert len(synced) == 2
    assert list(lines.rows()) == [*ROWS, *ROWS]
