"""The questions about a pair, one at a time, and what an answer may be.

The safe side comes first: where it fails, nobody has to look at the unsafe one.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nsfwcaps.captions.normalize import normalize
from nsfwcaps.errors import InputError

MAX_CAPTION_CHARS = 2_000
MAX_COMMENT_CHARS = 2_000
RIGHT = "right"
"""Answer to the question for the category: it is the right one."""


class Choice(enum.StrEnum):
    """What becomes of a pair."""

    ACCEPT = "accept"
    FIX = "fix"
    REJECT = "reject"


@dataclass(frozen=True, kw_only=True)
class Option:
    """An answer: its value, what the button says, and the key of the keyboard."""

    value: str
    label: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question. `sides` must be looked at to answer it."""

    name: str
    text: str
    sides: tuple[str, ...]
    options: tuple[Option, ...]


_YES_NO = (
    Option(value="yes", label="Yes", key="Y"),
    Option(value="no", label="No", key="N"),
    Option(value="unsure", label="Not sure", key="U"),
)

QUESTIONS = (
    Question(name="safe_is_safe", text="Is the safe side safe?", sides=("safe",), options=_YES_NO),
    Question(
        name="unsafe_is_unsafe",
        text="Is the unsafe side unsafe?",
        sides=("unsafe",),
        options=_YES_NO,
    ),
    Question(
        name="category",
        text="Is its category right?",
        sides=("unsafe",),
        # The other categories of the data set follow; the page knows them.
        options=(Option(value=RIGHT, label="Yes", key="Y"),),
    ),
    Question(
        name="meaning",
        text="How much of the meaning does the safe side keep, the unsafe part aside?",
        sides=("safe", "unsafe"),
        options=tuple(
            Option(value=str(mark), label=label, key=str(mark))
            for mark, label in enumerate(
                ("1 nothing", "2 little", "3 half", "4 most", "5 all"), start=1
            )
        ),
    ),
)
NAMES = tuple(question.name for question in QUESTIONS)

CHOICES = (
    Option(value=Choice.ACCEPT, label="Accept", key="A"),
    Option(value=Choice.FIX, label="Fix a caption", key="F"),
    Option(value=Choice.REJECT, label="Reject", key="X"),
)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What somebody said of a pair, so far or in the end."""

    safe_is_safe: str | None = None
    unsafe_is_unsafe: str | None = None
    category: str | None = None
    """`right`, or the category that it should be."""
    meaning: int | None = None
    """1 nothing to 5 all of it is kept."""
    choice: Choice | None = None
    safe_caption: str | None = None
    """As it should read; with `fix`."""
    unsafe_caption: str | None = None
    comment: str | None = None

    @property
    def failed(self) -> bool:
        """Whether a side is not what it should be."""
        return "no" in (self.safe_is_safe, self.unsafe_is_unsafe)

    def next_question(self) -> Question | None:
        """The first question that is open, or None where only the choice is.

        A side that fails ends the questions: no more has to be looked at.
        """
        if self.failed:
            return None
        open_ = (question for question in QUESTIONS if getattr(self, question.name) is None)
        return next(open_, None)

    def answered(self, name: str, value: str) -> Answers:
        """The same with one question answered.

        Raises:
            InputError: it is no answer to that question.
        """
        is_mark = name == "meaning" and value.isdecimal()
        return from_json({**self.as_json(), name: int(value) if is_mark else value})

    def as_json(self) -> dict[str, Any]:
        """Plain values, without those that are None."""
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if value is not None}

    def text(self) -> str:
        """JSON in one spelling, so that it can be hashed."""
        return json.dumps(self.as_json(), sort_keys=True, ensure_ascii=True)


def from_json(values: Mapping[str, Any]) -> Answers:
    """Read answers, and check each.

    Raises:
        InputError: one of them cannot be.
    """
    unknown = set(values) - {field.name for field in dataclasses.fields(Answers)}
    if unknown:
        raise InputError(f"no such answer: {', '.join(sorted(unknown))}")
    choice = values.get("choice")
    answers = Answers(**{**values, "choice": None if choice is None else _choice(choice)})
    for question in QUESTIONS[:2]:
        _one_of(question, getattr(answers, question.name))
    if answers.meaning is not None and not _is_mark(answers.meaning):
        raise InputError(f"meaning must be 1 to 5, got {answers.meaning!r}")
    for name in ("category", "safe_caption", "unsafe_caption", "comment"):
        _check_text(name, getattr(answers, name))
    return answers


def finished(answers: Answers, *, safe: str, unsafe: str) -> Answers:
    """The answers as they are kept: checked against the captions, without empty texts.

    Raises:
        InputError: nothing was chosen, or the choice and the captions do not fit together.
    """
    if answers.choice not in (None, Choice.REJECT) and answers.next_question() is not None:
        raise InputError("answer every question before the pair is accepted or fixed")
    if answers.choice is Choice.ACCEPT and answers.failed:
        raise InputError("a side of the pair is not what it should be; fix or reject it")
    return settled(answers, safe=safe, unsafe=unsafe)


def settled(answers: Answers, *, safe: str, unsafe: str) -> Answers:
    """As `finished`, for whoever settles a pair without answering each question.

    Raises:
        InputError: nothing was chosen, or the choice and the captions do not fit together.
    """
    if answers.choice is None:
        raise InputError("nothing was chosen; accept, fix or reject")
    fixed = {
        "safe_caption": _changed(answers.safe_caption, safe),
        "unsafe_caption": _changed(answers.unsafe_caption, unsafe),
    }
    if answers.choice is Choice.FIX and not any(fixed.values()):
        raise InputError("no caption was changed; change one, or choose accept or reject")
    if answers.choice is not Choice.FIX:
        fixed = dict.fromkeys(fixed)
    comment = (answers.comment or "").strip() or None
    return dataclasses.replace(
        answers,
        safe_caption=fixed["safe_caption"],
        unsafe_caption=fixed["unsafe_caption"],
        comment=comment,
    )


def _is_mark(value: Any) -> bool:
    return type(value) is int and 1 <= value <= 5  # not True, not 3.0: both would change the text


def _choice(value: Any) -> Choice:
    try:
        return Choice(value)
    except ValueError:
        raise InputError(f"choice must be {', '.join(Choice)}, got {value!r}") from None


def _one_of(question: Question, value: Any) -> None:
    values = [option.value for option in question.options]
    if value is not None and value not in values:
        raise InputError(f"{question.name} must be {', '.join(values)}, got {value!r}")


def _check_text(name: str, value: Any) -> None:
    limit = MAX_COMMENT_CHARS if name == "comment" else MAX_CAPTION_CHARS
    if value is not None and not isinstance(value, str):
        raise InputError(f"{name} must be text")
    if name == "category" and value is not None and not value.strip():
        raise InputError("category must be 'right' or the name of the right one, got nothing")
    if value is not None and len(value) > limit:
        raise InputError(f"{name} is longer than {limit} characters")


def _changed(text: str | None, was: str) -> str | None:
    fixed = normalize(text or "")
    return fixed if fixed and fixed != normalize(was) else None
