from __future__ import annotations

from pathlib import Path

from nsfwcaps.construction.editors.answers import FILE, AnswerFile
from nsfwcaps.construction.editors.editor import Proposal, Refusal

GOOD, BAD = Proposal("A cup and a handgun", "a handgun"), Refusal("refused")


def test_answers_outlive_the_process(tmp_path: Path) -> None:
    answers = AnswerFile(tmp_path)
    answers.add("one", GOOD, "m")
    answers.add("two", BAD, "m")
    again = AnswerFile(tmp_path)
    assert again.get("one") == (GOOD, "m")
    assert again.get("two") == (BAD, "m")
    assert again.get("three") is None


def test_a_line_that_a_kill_cut_short_is_none(tmp_path: Path) -> None:
    AnswerFile(tmp_path).add("one", GOOD, "m")
    path = tmp_path / FILE
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    answers = AnswerFile(tmp_path)
    assert answers.get("one") == (GOOD, "m")
    answers.add("two", BAD, "m")
    assert AnswerFile(tmp_path).get("two") == (BAD, "m")
    assert AnswerFile(tmp_path).get("one") == (GOOD, "m")
