"""Disputed pairs, for a lead to settle: shown with the answers, not with the annotators."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import answers as answering
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.answers import Answers, Choice
from nsfwcaps.review.log.marks import Marks
from nsfwcaps.review.log.outcomes import Bodies, agreed
from nsfwcaps.review.log.verdicts import VerdictKind
from nsfwcaps.review.pairs import Pair
from nsfwcaps.review.people.accounts import Role


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """One annotator's answers, under a letter that is assigned per pair."""

    letter: str
    answers: Answers
    asks: bool
    """Whether the annotator asks a lead about the pair."""


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """A pair waiting for a lead's decision."""

    pair_id: str
    category: str
    severity: int
    level: str
    opinions: tuple[Opinion, ...]
    known: Answers | None
    """The known answer that a lead put in doubt."""
    seen: str
    """What the decision is about; `settle_dispute` refuses if it has changed since."""

    @property
    def asked(self) -> bool:
        """Whether an annotator asks a lead about the pair."""
        return any(opinion.asks for opinion in self.opinions)


def disputes(connection: sa.Connection, account_id: str, limit: int | None = None) -> list[Dispute]:
    """List the first disputed pairs that a lead may settle.

    Those about which an annotator asks come first, then those that leads opened, then those on
    which people differ, each in queue order. Pairs that the lead judged are left to others: a third
    person settles. So are those set aside.
    """
    item, decision = tables.item, tables.decision
    mine = decision.alias()
    asked, opened = item.c.asked > 0, item.c.opened.is_not(None)
    rows = connection.execute(
        _opinions()
        .where(
            *_candidates(),
            item.c.gone.is_(False),
            ~sa.exists().where(mine.c.pair_id == item.c.pair_id, mine.c.account_id == account_id),
        )
        .order_by(sa.case((asked, 0), (opened, 1), else_=2), item.c.position, decision.c.seq)
    )
    found: list[Dispute] = []
    bodies = Bodies()
    for _, group in itertools.groupby(rows, key=lambda row: str(row.pair_id)):
        entries = list(group)
        if _differ(entries, bodies):
            found.append(_dispute(entries))
        if len(found) == limit:
            break
    return found


def is_disputed(connection: sa.Connection, pair_id: str) -> bool:
    """Whether a pair waits for a lead's decision."""
    one = tables.item.c.pair_id == pair_id
    rows = connection.execute(_opinions().where(*_candidates(), one)).all()
    return bool(rows) and _differ(rows, Bodies())


def settle_dispute(
    database: Database,
    account_id: str,
    pair: Pair,
    answers: Answers,
    now: float,
    *,
    seen: str | None = None,
) -> int:
    """Settle an unsettled pair in its own write transaction; return its row number in the log.

    `seen` is the dispute's `seen` when the lead looked at it.

    Raises:
        ReviewError: another lead has settled the pair or set it aside, a verdict on it has changed
            since it was seen, or as in `settle`.
        InputError: the choice and the captions contradict each other.
    """
    decided = answering.settled(answers, safe=pair.safe_caption, unsafe=pair.unsafe_caption)
    with database.write() as connection:
        check_open(connection, pair.pair_id, seen)
        return settle(connection, account_id, pair.pair_id, decided, now)


def check_open(connection: sa.Connection, pair_id: str, seen: str | None = None) -> None:
    """Check, within the write, that a dispute is still open and as it was seen.

    Raises:
        ReviewError: it is not.
    """
    held = marks_of(connection, pair_id)
    if held.settled is not None or held.aside is not None:
        done = "settled" if held.settled is not None else "set aside"
        raise ReviewError(f"pair {pair_id} has been {done} by another lead; nothing was written")
    item = tables.item
    rows = connection.execute(_opinions().where(item.c.pair_id == pair_id)).all()
    if seen is not None and _seen(rows) != seen:
        raise ReviewError(
            f"the verdicts on pair {pair_id} have changed since it was shown; nothing was written: "
            "look at it again"
        )


def marks_of(connection: sa.Connection, pair_id: str) -> Marks:
    """Return what leads' rows make of a pair.

    Raises:
        ReviewError: the pair is not in the review.
    """
    item = tables.item
    row = connection.execute(
        sa.select(item.c.settled, item.c.aside, item.c.opened).where(item.c.pair_id == pair_id)
    ).one_or_none()
    if row is None:
        raise ReviewError(f"pair {pair_id} is not in this review")
    return Marks(settled=row.settled, aside=row.aside, opened=row.opened)


def set_marks(connection: sa.Connection, pair_id: str, marks: Marks) -> None:
    """Store what leads' rows make of a pair."""
    item = tables.item
    values = dataclasses.asdict(marks)
    connection.execute(sa.update(item).where(item.c.pair_id == pair_id).values(**values))


def settle(
    connection: sa.Connection, account_id: str, pair_id: str, answers: Answers, now: float
) -> int:
    """Record a lead's decision on a pair; return its row number in the log.

    The last decision counts. The answers come from `answers.settled`.

    Raises:
        ReviewError: the account is not a lead, judged the pair itself, or the pair is not in the
            review.
        InputError: nothing was chosen, or the choice is `fix` and no caption changed.
    """
    require_lead(connection, account_id)
    marks_of(connection, pair_id)  # is it in the review?
    if verdicts.verdict_of(connection, account_id, pair_id) is not None:
        raise ReviewError(f"you judged pair {pair_id} yourself; another lead must settle it")
    if answers.choice is None:
        raise InputError("no choice was made; choose accept, fix or reject")
    if answers.choice is Choice.FIX and not (answers.safe_caption or answers.unsafe_caption):
        raise InputError("no caption was changed; change one, or choose accept or reject")
    seq = verdicts.append(
        connection,
        VerdictKind.SETTLE,
        account_id=account_id,
        pair_id=pair_id,
        body=answers.stored(verdicts.category_of(connection, pair_id)),
        now=now,
    )
    set_marks(connection, pair_id, Marks(settled=seq))
    return seq


def require_lead(connection: sa.Connection, account_id: str) -> None:
    """Check that an account is an enabled lead.

    Raises:
        ReviewError: it is disabled or not a lead.
    """
    account = tables.account
    row = connection.execute(
        sa.select(account.c.role, account.c.disabled).where(account.c.account_id == account_id)
    ).one_or_none()
    if row is None or row.disabled or row.role != Role.LEAD.value:
        raise ReviewError("only a lead may do this; ask a lead to do it or to make you a lead")


def letters(pair_id: str, accounts: Iterable[str]) -> dict[str, str]:
    """Assign letters by a hash of pair and account, so that a letter identifies nobody."""
    order = sorted(
        set(accounts), key=lambda account: hashlib.sha256(f"{pair_id} {account}".encode()).digest()
    )
    signs = string.ascii_uppercase
    return {
        account: signs[at % len(signs)] + (str(at // len(signs)) if at >= len(signs) else "")
        for at, account in enumerate(order)
    }


def _opinions() -> sa.Select[Any]:
    item, decision, verdict = tables.item, tables.decision, tables.verdict
    return (
        sa.select(
            *(item.c.pair_id, item.c.category, item.c.severity, item.c.stage),
            *(item.c.asked, item.c.opened, item.c.gold),
            *(verdict.c.seq, verdict.c.account_id, verdict.c.body),
        )
        .join(decision, decision.c.pair_id == item.c.pair_id)
        .join(verdict, verdict.c.seq == decision.c.seq)
    )


def _candidates() -> list[sa.ColumnElement[bool]]:
    """SQL conditions on items that are disputes if people differ; see `_differ`."""
    item = tables.item
    judged = sa.and_(item.c.decided >= item.c.needed, item.c.decided > 1, item.c.gold.is_(None))
    return [
        sa.or_(item.c.asked > 0, item.c.opened.is_not(None), judged),
        item.c.settled.is_(None),
        item.c.aside.is_(None),
    ]


def _differ(entries: Sequence[Any], bodies: Bodies) -> bool:
    """Whether an annotator asks a lead, a lead opened the pair, or the verdicts differ."""
    first = entries[0]
    asked = first.asked > 0 or first.opened is not None
    return asked or not agreed([bodies[row.body] for row in entries], first.category)


def _dispute(entries: Sequence[Any]) -> Dispute:
    first = entries[0]
    names = letters(first.pair_id, (row.account_id for row in entries))
    opinions = (
        Opinion(
            letter=names[row.account_id],
            answers=verdicts.read_answers(row.body),
            asks=bool(verdicts.read_answers(row.body).ask_lead),
        )
        for row in entries
    )
    return Dispute(
        pair_id=first.pair_id,
        category=first.category,
        severity=first.severity,
        level=first.stage,
        opinions=tuple(sorted(opinions, key=lambda opinion: opinion.letter)),
        known=None if first.gold is None else verdicts.read_answers(first.gold),
        seen=_seen(entries),
    )


def _seen(entries: Sequence[Any]) -> str:
    """Name the rows of the log that a dispute consists of."""
    opened = entries[0].opened if entries else None
    return json.dumps([opened, *sorted(row.seq for row in entries)])
