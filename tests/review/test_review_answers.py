"""Answers: one question at a time, an early end, and what a choice needs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_review import accept, fix, reject

from nsfwcaps.errors import InputError
from nsfwcaps.review.answers import QUESTIONS, Answers, Choice, finished, from_json, settled

SAFE, UNSAFE = "a vase on a table", "a handgun on a table"


def asked(answers: Answers) -> str | None:
    question = answers.next_question()
    return None if question is None else question.name


def test_questions_come_one_after_the_other() -> None:
    answers = Answers()
    for name, value in [
        ("safe_is_safe", "unsure"),
        ("unsafe_is_unsafe", "yes"),
        ("category", "smoking"),
        ("meaning", "5"),
    ]:
        assert asked(answers) == name
        answers = answers.answered(name, value)
    assert asked(answers) is None
    assert answers.meaning == 5


@pytest.mark.parametrize("name", ["safe_is_safe", "unsafe_is_unsafe"])
def test_a_side_that_fails_ends_the_questions(name: str) -> None:
    assert asked(Answers().answered(name, "no")) is None


def test_every_option_of_a_question_is_an_answer() -> None:
    for question in QUESTIONS:
        for option in question.options:
            assert Answers().answered(question.name, option.value).as_json()


@pytest.mark.parametrize(
    "values",
    [
        {"safe_is_safe": "maybe"},
        {"unsafe_is_unsafe": ["yes"]},
        {"category": " "},
        {"category": 3},
        {"meaning": 0},
        {"meaning": 6},
        {"meaning": True},
        {"meaning": 3.0},
        {"meaning": "3"},
        {"choice": "delete"},
        {"comment": "x" * 2_001},
        {"safe_caption": "x" * 2_001},
        {"nothing": 1},
    ],
)
def test_what_is_no_answer(values: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(values))):
        from_json(values)


@pytest.mark.parametrize("value", ["", "x", "-1", "²", "3.5"])
def test_what_is_no_mark(value: str) -> None:
    with pytest.raises(InputError, match="meaning must be 1 to 5"):
        Answers().answered("meaning", value)


@given(st.builds(accept, comment=st.text(max_size=50), meaning=st.integers(1, 5)))
def test_answers_survive_being_kept(answers: Answers) -> None:
    assert from_json(answers.as_json()) == answers
    assert answers.text().isascii()


def test_nothing_was_chosen() -> None:
    with pytest.raises(InputError, match="nothing was chosen"):
        finished(accept(choice=None), safe=SAFE, unsafe=UNSAFE)


@pytest.mark.parametrize("name", [question.name for question in QUESTIONS])
def test_accepting_needs_every_answer(name: str) -> None:
    with pytest.raises(InputError, match="answer every question"):
        finished(accept(**{name: None}), safe=SAFE, unsafe=UNSAFE)


@pytest.mark.parametrize("name", ["safe_is_safe", "unsafe_is_unsafe"])
def test_what_failed_is_not_accepted(name: str) -> None:
    with pytest.raises(InputError, match="fix or reject"):
        finished(accept(**{name: "no"}), safe=SAFE, unsafe=UNSAFE)


def test_rejecting_needs_no_answer() -> None:
    assert finished(Answers(choice=Choice.REJECT), safe=SAFE, unsafe=UNSAFE).choice == "reject"


def test_fixing_needs_a_caption_that_is_another() -> None:
    for same in (None, "", SAFE, f"  {SAFE} "):
        with pytest.raises(InputError, match="no caption was changed"):
            finished(fix(safe=same), safe=SAFE, unsafe=UNSAFE)
    fixed = finished(fix(safe=" a  cup on a table", unsafe=UNSAFE), safe=SAFE, unsafe=UNSAFE)
    assert (fixed.safe_caption, fixed.unsafe_caption) == ("a cup on a table", None)


def test_a_caption_that_reads_otherwise_in_the_data_is_no_change() -> None:
    with pytest.raises(InputError, match="no caption was changed"):
        finished(fix(safe="a vase on a table"), safe="a vase  on a table ", unsafe=UNSAFE)


def test_captions_stay_out_of_other_choices() -> None:
    kept = finished(reject(safe_caption="a cup", comment="  "), safe=SAFE, unsafe=UNSAFE)
    assert (kept.safe_caption, kept.comment) == (None, None)


def test_a_lead_settles_without_answers() -> None:
    said = Answers(choice=Choice.ACCEPT, comment=" so it is ")
    assert settled(said, safe=SAFE, unsafe=UNSAFE).comment == "so it is"
