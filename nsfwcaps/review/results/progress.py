"""How far a review is, for its leads. Says what was decided, never how anybody works.

Skips, sessions, what somebody uncovered and how long it took are theirs alone: none of it is here.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from nsfwcaps.enums import DifficultyLevel
from nsfwcaps.review import tables
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.log.outcomes import Outcome, PairState, outcomes, touched
from nsfwcaps.review.proportions import Share, share
from nsfwcaps.review.queue.priorities import Reason

ALL = "all"
_LEVELS = tuple(DifficultyLevel)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Verdicts of one annotator that hold now."""

    account_id: str
    verdicts: int
    by_choice: Mapping[Choice, int]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pairs of one level, category or reason, by how far they are."""

    name: str
    pairs: int
    states: Mapping[PairState, int]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What became of the decided ones among some pairs.

    While some are disputed, these are the pairs on which people agree: the easy ones.
    """

    name: str
    shares: Mapping[Choice, Share]
    pending: int
    disputed: int


@dataclass(frozen=True, kw_only=True)
class ReviewProgress:
    """A review as it stands; pairs that the data set has no more are not counted."""

    people: list[Person]
    whole: Group
    by_stage: list[Group]
    by_category: list[Group]
    by_reason: list[Group]
    control: list[Rates]
    """The share of the queue that was drawn at random: all of it, then by level. It alone says
    what to expect of pairs that nobody has seen; the others come first because they are odd."""


def progress(connection: sa.Connection) -> ReviewProgress:
    """Count all of it, in one pass over what somebody has judged."""
    judged = [found for found in outcomes(connection, touched_only=True) if not found.gone]
    counts: dict[str, defaultdict[str, Counter[PairState]]] = {
        by: defaultdict(Counter) for by in (ALL, "stage", "category", "reason")
    }

    def count(state: PairState, level: str, category: str, reason: str, pairs: int) -> None:
        names = {ALL: ALL, "stage": level, "category": category, "reason": reason}
        for by, name in names.items():
            counts[by][name][state] += pairs

    for found in judged:
        count(found.state, found.level, found.of_category, found.reason, 1)
    untouched = _untouched(connection)
    for (level, category, reason), pairs in untouched.items():
        count(PairState.PENDING, level, category, reason, pairs)
    groups = {by: _groups(found) for by, found in counts.items()}
    return ReviewProgress(
        people=_people(connection),
        whole=groups[ALL][0] if groups[ALL] else Group(name=ALL, pairs=0, states={}),
        by_stage=groups["stage"],
        by_category=groups["category"],
        by_reason=groups["reason"],
        control=_control(judged, untouched),
    )


def _people(connection: sa.Connection) -> list[Person]:
    decision, verdict = tables.decision, tables.verdict
    # By text, as few differ: counted in the database, they are few rows.
    rows = connection.execute(
        sa.select(decision.c.account_id, verdict.c.body, sa.func.count())
        .join(verdict, verdict.c.seq == decision.c.seq)
        .group_by(decision.c.account_id, verdict.c.body)
    )
    counts: defaultdict[str, Counter[Choice]] = defaultdict(Counter)
    for account, body, number in rows:
        counts[account][Choice(json.loads(body)["choice"])] += number
    return [
        Person(account_id=account, verdicts=found.total(), by_choice=dict(found))
        for account, found in sorted(counts.items())
    ]


def _untouched(connection: sa.Connection) -> dict[tuple[str, str, str], int]:
    """Number of pairs of which nobody has said anything, by level, category and reason."""
    item = tables.item
    rows = connection.execute(
        sa.select(item.c.stage, item.c.category, item.c.reason, sa.func.count())
        .where(item.c.gone.is_(False), sa.not_(touched()))
        .group_by(item.c.stage, item.c.category, item.c.reason)
    )
    return {(level, category, reason): number for level, category, reason, number in rows}


def _groups(counts: Mapping[str, Counter[PairState]]) -> list[Group]:
    return [
        Group(name=name, pairs=found.total(), states={state: found[state] for state in PairState})
        for name, found in sorted(counts.items(), key=lambda group: _place(group[0]))
    ]


def _place(name: str) -> tuple[int, str]:
    """Where a group stands: levels from easy to hard, the others by name."""
    return (_LEVELS.index(DifficultyLevel(name)) if name in _LEVELS else len(_LEVELS), name)


def _control(
    judged: Iterable[Outcome], untouched: Mapping[tuple[str, str, str], int]
) -> list[Rates]:
    choices: defaultdict[str, Counter[Choice]] = defaultdict(Counter)
    waiting: defaultdict[str, Counter[PairState]] = defaultdict(Counter)
    for found in judged:
        for name in (ALL, found.level) if found.reason == Reason.CONTROL else ():
            if found.choice is None:
                waiting[name][found.state] += 1
            else:
                choices[name][found.choice] += 1
    for (level, _, reason), number in untouched.items():
        for name in (ALL, level) if reason == Reason.CONTROL else ():
            waiting[name][PairState.PENDING] += number
    return [
        Rates(
            name=name,
            shares={
                choice: share(choices[name][choice], choices[name].total()) for choice in Choice
            },
            pending=waiting[name][PairState.PENDING],
            disputed=waiting[name][PairState.DISPUTED],
        )
        for name in (ALL, *sorted({*choices, *waiting} - {ALL}, key=_place))
    ]
