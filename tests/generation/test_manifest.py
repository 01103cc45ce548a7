from __future__ import annotations

from pathlib import Path

import pytest

from nsfwcaps.generation.manifest import Manifest


def test_rows_are_there_for_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "rows.jsonl"
    assert Manifest(path).rows == {}
    first = Manifest(path)
    first.add([{"item": "a", "n": 1}, {"item": "b", "n": 2}])
    first.add([{"item": "a", "n": 3}])
    assert (
        first.rows
        == Manifest(path).rows
        == {"a": {"item": "a", "n": 3}, "b": {"item": "b", "n": 2}}
    )


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_line_that_a_kill_has_cut_short(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    Manifest(path).add([{"item": "a"}, {"item": "b", "n": 22}])
    path.write_bytes(path.read_bytes()[:-cut])
    manifest = Manifest(path)
    assert manifest.rows.keys() == ({"a", "b"} if cut == 1 else {"a"})
    manifest.add([{"item": "c"}])
    assert Manifest(path).rows.keys() == {*manifest.rows}


def test_lines_of_somebody_else_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('3\n[]\n{"n": 1}\n{"item": []}\nword\n{"item": "a"}\n')
    assert Manifest(tmp_path / "rows.jsonl").rows == {"a": {"item": "a"}}
