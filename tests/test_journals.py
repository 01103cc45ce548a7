"""Journals of several writers: read together, and only what is new."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsfwcaps.journals import JOURNAL, Journals


def test_rows_of_all_writers_are_read_together(tmp_path: Path) -> None:
    Journals(tmp_path, "far-1").add({"key": "b"})
    Journals(tmp_path, None).add({"key": "a"})
    found = Journals(tmp_path, "far-2").look()
    assert [row["key"] for row in found.rows] == ["a", "b"]


def test_second_look_finds_what_was_added(tmp_path: Path) -> None:
    reader, writer = Journals(tmp_path, None), Journals(tmp_path, "far-1")
    writer.add({"key": "a"})
    reader.look()
    assert reader.look().rows == []
    writer.add({"key": "b"})
    Journals(tmp_path, "far-2").add({"key": "c"})
    found = reader.look()
    assert (found.new, [row["key"] for row in found.rows]) == (True, ["b", "c"])


def test_line_in_the_making_is_left_for_the_next_look(tmp_path: Path) -> None:
    reader = Journals(tmp_path, None)
    path = tmp_path / "shards-far-1.jsonl"
    path.write_text('{"key": "a"}\n{"key": "b')
    assert [row["key"] for row in reader.look().rows] == ["a"]
    path.write_text('{"key": "a"}\n{"key": "b"}\n')
    assert [row["key"] for row in reader.look().rows] == ["b"]


def test_damaged_line_is_left_out(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text('{"key": "a"}\n{"key": \n{"key": "c"}\n')
    assert [row["key"] for row in Journals(tmp_path, None).look().rows] == ["a", "c"]


def test_joined_journals_are_read_whole(tmp_path: Path) -> None:
    reader, driver = Journals(tmp_path, "far-2"), Journals(tmp_path, None)
    for key in "abc":
        Journals(tmp_path, "far-1").add({"key": key})
    reader.look()
    driver.join([{"key": "c"}])
    assert [path.name for path in driver.paths()] == [JOURNAL]
    found = reader.look()
    assert (found.new, [row["key"] for row in found.rows]) == (False, ["c"])


def test_journal_that_is_joined_during_a_look_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Journals(tmp_path, None)
    reader.add({"key": "a"})
    gone = tmp_path / "shards-far-1.jsonl"
    paths = [*reader.paths(), gone]
    monkeypatch.setattr(reader, "paths", lambda: paths)
    assert [row["key"] for row in reader.look().rows] == ["a"]
