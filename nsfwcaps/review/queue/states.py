"""What an annotator finds: consent to give, a pair to judge, a rest, or the end."""

from __future__ import annotations

from dataclasses import dataclass

from nsfwcaps.review.log.answers import Answers
from nsfwcaps.review.queue.journal import UndoableAction
from nsfwcaps.review.queue.sessions import Left


@dataclass(frozen=True, kw_only=True)
class Consent:
    """Waiting for consent to what is in the queue."""

    histogram: list[tuple[str, int, int]]
    """Category, severity, number of pairs."""
    opted_out: list[str]
    left: Left
    undoable: UndoableAction | None = None


@dataclass(frozen=True, kw_only=True)
class Rest:
    """No pair now: a break, or a daily cap."""

    why: str
    until: float | None
    """When work can resume; None: tomorrow, in UTC."""
    undoable: UndoableAction | None = None


@dataclass(frozen=True, kw_only=True)
class Finished:
    """No pair is left for this annotator."""

    held_by_others: bool
    undoable: UndoableAction | None = None


@dataclass(frozen=True, kw_only=True)
class NextPair:
    """The pair that is expected after this one, to be shown covered."""

    token: str
    """The token that its reservation will have, if that pair does come."""
    category: str
    severity: int


@dataclass(frozen=True, kw_only=True)
class ReviewTask:
    """The pair assigned to the annotator."""

    pair_id: str
    token: str
    category: str
    severity: int
    answers: Answers
    uncovered: frozenset[str]
    """Uncovered items, such as `safe text` or `unsafe image`."""
    broken: frozenset[str]
    """Images that could not be shown; they count as not looked at."""
    left: Left
    judged: int
    """Total number of pairs this annotator has judged."""
    undoable: UndoableAction | None
    next: NextPair | None


State = Consent | Rest | Finished | ReviewTask
