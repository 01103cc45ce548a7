"""Questions one at a time, and which answers are kept."""

from __future__ import annotations

from typing import Any

import pytest

from nsfwcaps.errors import InputError
from nsfwcaps.review.log import answers as answering
from nsfwcaps.review.log.answers import (
    MAX_CAPTION_CHARS,
    MAX_COMMENT_CHARS,
    NAMES,
    QUESTIONS,
    Answers,
    Choice,
)

SAFE, UNSAFE = "a cup on a table", "a handgun on a table"
ALL_RIGHT = {"safe_is_safe": "yes", "unsafe_is_unsafe": "yes", "category": "right", "meaning": "4"}


def answered(*given: tuple[str, str]) -> Answers:
    answers = Answers()
    for name, value in given:
        answers = answers.answered(name, value)
    return answers


def finished(answers: Answers) -> Answers:
    return answering.finished(answers, safe=SAFE, unsafe=UNSAFE)


def whole(**more: Any) -> Answers:
    return answering.from_json({**ALL_RIGHT, "meaning": 4, **more})


def test_questions_come_in_their_order() -> None:
    answers = Answers()
    for name, value in ALL_RIGHT.items():
        question = answers.next_question()
        assert question is not None
        assert question.name == name
        answers = answers.answered(name, value)
    assert answers.next_question() is None
    assert tuple(ALL_RIGHT) == NAMES


@pytest.mark.parametrize("name", ["safe_is_safe", "unsafe_is_unsafe"])
def test_a_side_that_fails_ends_the_questions(name: str) -> None:
    before = list(ALL_RIGHT.items())[: NAMES.index(name)]
    answers = answered(*before, (name, "no"))
    assert answers.failed
    assert answers.next_question() is None


@pytest.mark.parametrize("name", ["safe_is_safe", "unsafe_is_unsafe"])
def test_not_sure_ends_nothing(name: str) -> None:
    before = list(ALL_RIGHT.items())[: NAMES.index(name)]
    question = answered(*before, (name, "unsure")).next_question()
    assert question == QUESTIONS[NAMES.index(name) + 1]


@pytest.mark.parametrize("question", QUESTIONS, ids=NAMES)
def test_every_button_is_an_answer_and_keys_differ(question: answering.Question) -> None:
    for option in question.options:
        kept = Answers().answered(question.name, option.value).as_json()[question.name]
        assert str(kept) == option.value
    keys = [option.key for option in question.options]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("safe_is_safe", "maybe"),
        ("unsafe_is_unsafe", ""),
        ("meaning", "0"),
        ("meaning", "6"),
        ("meaning", "three"),
        ("meaning", "-1"),
        ("category", " "),
        ("choice", "burn"),
        ("mood", "fine"),
    ],
)
def test_what_is_no_answer(name: str, value: str) -> None:
    with pytest.raises(InputError):
        Answers().answered(name, value)


@pytest.mark.parametrize("given", [{"unsafe_is_unsafe": ["yes"]}, {"category": 3}, {"choice": []}])
def test_what_is_no_text(given: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        answering.from_json(given)


@pytest.mark.parametrize("value", [True, 3.0, "3"])
def test_a_mark_is_a_whole_number(value: Any) -> None:
    with pytest.raises(InputError, match="1 to 5"):
        answering.from_json({"meaning": value})


@pytest.mark.parametrize(
    ("name", "limit"),
    [("comment", MAX_COMMENT_CHARS), ("safe_caption", MAX_CAPTION_CHARS)],
)
def test_texts_have_an_end(name: str, limit: int) -> None:
    assert getattr(answering.from_json({name: "x" * limit}), name) == "x" * limit
    with pytest.raises(InputError, match=f"{name} is longer") as caught:
        answering.from_json({name: "x" * (limit + 1)})
    assert "xx" not in str(caught.value)
    with pytest.raises(InputError, match=f"{name} must be a string"):
        answering.from_json({name: 5})


def test_answers_come_back_from_their_text() -> None:
    said = whole(choice="fix", safe_caption="a glass", comment="é \u0000 \ud800")
    assert answering.from_json(said.as_json()) == said
    assert said.text().isascii()


@pytest.mark.parametrize("missing", NAMES)
@pytest.mark.parametrize("choice", [Choice.ACCEPT, Choice.FIX])
def test_every_question_comes_before_accepting(missing: str, choice: Choice) -> None:
    values = whole(choice=choice, safe_caption="a glass").as_json()
    del values[missing]
    with pytest.raises(InputError, match="answer every question"):
        finished(answering.from_json(values))


def test_rejecting_needs_no_answer() -> None:
    assert finished(Answers(choice=Choice.REJECT)) == Answers(choice=Choice.REJECT)


def test_nothing_was_chosen() -> None:
    for rule in (answering.finished, answering.settled):
        with pytest.raises(InputError, match="no choice was made"):
            rule(whole(), safe=SAFE, unsafe=UNSAFE)


def test_a_side_that_fails_is_not_accepted_but_may_be_fixed() -> None:
    failed = Answers(safe_is_safe="no", choice=Choice.ACCEPT)
    with pytest.raises(InputError, match="fix or reject"):
        finished(failed)
    fixed = Answers(safe_is_safe="no", choice=Choice.FIX, safe_caption="a glass")
    assert finished(fixed) == fixed


@pytest.mark.parametrize("same", [SAFE, f"  {SAFE} ", "a  cup on a\ttable", "", None])
def test_a_caption_that_is_the_same_is_no_fix(same: str | None) -> None:
    with pytest.raises(InputError, match="no caption was changed"):
        finished(whole(choice="fix", safe_caption=same, unsafe_caption=UNSAFE))


def test_a_caption_of_the_data_that_has_odd_spaces_is_no_fix_either() -> None:
    with pytest.raises(InputError, match="no caption was changed"):
        answering.finished(whole(choice="fix", safe_caption="a cup"), safe="a  cup ", unsafe=UNSAFE)


def test_only_what_was_changed_is_kept() -> None:
    kept = finished(whole(choice="fix", safe_caption=" a  glass ", unsafe_caption=UNSAFE))
    assert (kept.safe_caption, kept.unsafe_caption) == ("a glass", None)
    kept = finished(whole(choice="accept", safe_caption="a glass", comment="  "))
    assert (kept.safe_caption, kept.comment) == (None, None)


def test_whoever_settles_answers_no_questions() -> None:
    said = Answers(choice=Choice.ACCEPT)
    assert answering.settled(said, safe=SAFE, unsafe=UNSAFE) == said
