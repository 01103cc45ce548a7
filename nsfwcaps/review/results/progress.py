"""Progress of a review, for leads. Reports decisions, never how a person works.

Skips, sessions, exposure and timing are private to each annotator and do not appear here.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from nsfwcaps.enums import DifficultyLevel
from nsfwcaps.metrics.proportions import Share, share
from nsfwcaps.review import tables
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.log.outcomes import Outcome, PairState, outcomes, touched
from nsfwcaps.review.queue.priorities import Reason

ALL = "all"
_LEVELS = tuple(DifficultyLevel)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Current verdicts of one annotator."""

    account_id: str
    verdicts: int
    by_choice: Mapping[Choice, int]


@dataclass(frozen=True, kw_only=True)
class Group:
    """State counts for the pairs of one level, category or reason."""

    name: str
    pairs: int
    states: Mapping[PairState, int]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Shares of each choice among the decided pairs of a group.

    While some pairs are disputed, the decided ones are biased towards easy pairs.
    """

    name: str
    shares: Mapping[Choice, Share]
    pending: int
    disputed: int


@dataclass(frozen=True, kw_only=True)
class ReviewProgress:
    """Progress of a review; pairs no longer in the data set are not counted."""

    people: list[Person]
    whole: Group
    by_stage: list[Group]
    by_category: list[Group]
    by_reason: list[Group]
    control: list[Rates]
    """The random control share of the queue: in total, then by level. Only it is an unbiased
    estimate for unseen pairs; the other pairs come first because they are unusual."""


def progress(connection: sa.Connection) -> ReviewProgress:
    """Count everything in one pass over the judged pairs."""
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
    # Group by text in the database: few texts differ, so few rows come back.
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
    """Count untouched pairs by level, category and reason."""
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
    """Sort key of a group: levels from easy to hard, others by name."""
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
