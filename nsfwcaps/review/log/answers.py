"""The questions about a pair, asked one at a time, and their valid answers.

The safe side comes first: if it fails, nobody has to look at the unsafe side.
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
"""Answer to the category question: the category is right."""
OF_CATEGORY = "of_category"
"""In the log: the category that was right."""


class Choice(enum.StrEnum):
    """Decision on a pair."""

    ACCEPT = "accept"
    FIX = "fix"
    REJECT = "reject"


@dataclass(frozen=True, kw_only=True)
class Option:
    """An answer: its value, button label and keyboard shortcut."""

    value: str
    label: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question. The reviewer must see `sides` to answer it."""

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
        # The page adds the other categories of the data set.
        options=(Option(value=RIGHT, label="Yes", key="Y"),),
    ),
    Question(
        name="meaning",
        text="How much of the meaning does the safe side keep, apart from the unsafe part?",
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
    """Answers about one pair, partial or complete."""

    safe_is_safe: str | None = None
    unsafe_is_unsafe: str | None = None
    category: str | None = None
    """`right`, or the correct category."""
    meaning: int | None = None
    """From 1 (nothing kept) to 5 (all kept)."""
    choice: Choice | None = None
    safe_caption: str | None = None
    """The corrected caption, if the choice is `fix`."""
    unsafe_caption: str | None = None
    comment: str | None = None
    ask_lead: bool | None = None
    """True: a lead is asked to decide; otherwise None."""

    @property
    def failed(self) -> bool:
        """Whether the safe side is not safe or the unsafe side not unsafe."""
        return "no" in (self.safe_is_safe, self.unsafe_is_unsafe)

    def next_question(self) -> Question | None:
        """Return the first open question, or None if only the choice is left.

        A failed side ends the questions, so nothing more has to be looked at.
        """
        if self.failed:
            return None
        open_ = (question for question in QUESTIONS if getattr(self, question.name) is None)
        return next(open_, None)

    def answered(self, name: str, value: str) -> Answers:
        """Return a copy with one question answered.

        Raises:
            InputError: the value is not an answer to that question.
        """
        is_mark = name == "meaning" and value.isdecimal()
        return from_json({**self.as_json(), name: int(value) if is_mark else value})

    def as_json(self) -> dict[str, Any]:
        """Return plain values, without None."""
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if value is not None}

    def text(self) -> str:
        """Return canonical JSON for hashing."""
        return json.dumps(self.as_json(), sort_keys=True, ensure_ascii=True)

    def stored(self, category: str) -> str:
        """Return the text for the log, where the pair is of this category now.

        `right` is stored with what it was said of: a data set may change that later.
        """
        of = {OF_CATEGORY: category} if self.category == RIGHT else {}
        return json.dumps({**self.as_json(), **of}, sort_keys=True, ensure_ascii=True)


def from_json(values: Mapping[str, Any]) -> Answers:
    """Parse and check answers.

    Raises:
        InputError: an answer is invalid.
    """
    unknown = set(values) - {field.name for field in dataclasses.fields(Answers)}
    if unknown:
        raise InputError(f"unknown answers: {', '.join(sorted(unknown))}")
    choice = values.get("choice")
    answers = Answers(**{**values, "choice": None if choice is None else _choice(choice)})
    for question in QUESTIONS[:2]:
        _one_of(question, getattr(answers, question.name))
    if answers.meaning is not None and not _is_mark(answers.meaning):
        raise InputError(f"meaning must be 1 to 5, got {answers.meaning!r}")
    if answers.ask_lead is not None and answers.ask_lead is not True:
        raise InputError(f"ask_lead must be true, got {answers.ask_lead!r}")
    for name in ("category", "safe_caption", "unsafe_caption", "comment"):
        _check_text(name, getattr(answers, name))
    return answers


def named_category(answers: Mapping[str, Any], now: str | None) -> str | None:
    """Return the category that stored answers give, `right` as the one it was said of.

    `now` stands for that where it was not stored, by version 1; None leaves `right` as it is.

    >>> named_category({"category": "right", "of_category": "fire"}, "weapons")
    'fire'
    """
    given: str | None = answers.get("category")
    return given if given != RIGHT else answers.get(OF_CATEGORY) or now or RIGHT


def finished(answers: Answers, *, safe: str, unsafe: str) -> Answers:
    """Return the answers to store: checked against the captions, without empty texts.

    Questions may stay open if a lead is asked.

    Raises:
        InputError: nothing was chosen, or the choice and the captions contradict each other.
    """
    keeps = answers.choice not in (None, Choice.REJECT)
    if keeps and not answers.ask_lead and answers.next_question() is not None:
        raise InputError("answer every question before accepting or fixing the pair")
    if answers.choice is Choice.ACCEPT and answers.failed:
        raise InputError("a side of the pair failed; fix or reject the pair")
    return settled(answers, safe=safe, unsafe=unsafe)


def settled(answers: Answers, *, safe: str, unsafe: str) -> Answers:
    """Like `finished`, for a lead who settles a pair without answering each question.

    Raises:
        InputError: nothing was chosen, or the choice and the captions contradict each other.
    """
    if answers.choice is None:
        raise InputError("no choice was made; choose accept, fix or reject")
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
    return type(value) is int and 1 <= value <= 5  # not True or 3.0, which would change the JSON


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
        raise InputError(f"{name} must be a string")
    if name == "category" and value is not None and not value.strip():
        raise InputError("category must be 'right' or the correct category, got an empty string")
    if value is not None and len(value) > limit:
        raise InputError(f"{name} is longer than {limit} characters")


def _changed(text: str | None, was: str) -> str | None:
    fixed = normalize(text or "")
    return fixed if fixed and fixed != normalize(was) else None
