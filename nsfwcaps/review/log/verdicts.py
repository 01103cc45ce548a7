"""Verdicts: an append-only log, and the current state derived from it."""

from __future__ import annotations

import datetime
import enum
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import get_meta
from nsfwcaps.review.log import answers as answering
from nsfwcaps.review.log import chain
from nsfwcaps.review.log.answers import Answers
from nsfwcaps.review.log.chain import Link


class VerdictKind(enum.StrEnum):
    """Kind of a log row."""

    JUDGE = "judge"
    UNDO = "undo"
    SETTLE = "settle"
    """A lead settled a disputed pair."""
    GOLD = "gold"
    """A lead recorded the known answer."""
    REOPEN = "reopen"
    """A lead opened a settled pair, or one set aside, again."""
    ASIDE = "aside"
    """A lead set a dispute aside for later."""
    POLICY = "policy"
    """The policy was set; the row is about no pair."""
    ACCOUNT = "account"
    """An account was added or its role changed; the row is about no pair."""
    QUEUE = "queue"
    """The queue was filled or changed; the row is about no pair."""


class AlreadyDecidedError(ReviewError):
    """An annotator decides twice on a pair, for example from a second tab."""


def begin_log(connection: sa.Connection, review_id: str) -> None:
    """Write the head of an empty log."""
    connection.execute(sa.update(tables.head).values(seq=0, hash=chain.genesis(review_id)))


def head_of(connection: sa.Connection) -> tuple[int, str]:
    """Return the number and hash of the last row.

    Raises:
        ReviewError: the head is missing.
    """
    head = tables.head
    row = connection.execute(
        sa.select(head.c.seq, head.c.hash).where(head.c.one == 1)
    ).one_or_none()
    if row is None:
        raise ReviewError("the head of the log is missing; restore the latest backup")
    return row.seq, row.hash


def append(
    connection: sa.Connection,
    kind: VerdictKind,
    *,
    account_id: str,
    pair_id: str,
    body: str,
    now: float,
) -> int:
    """Append a row to the log; return its number."""
    seq, previous = head_of(connection)
    link = Link(
        seq=seq + 1,
        at=timestamp(now),
        account_id=account_id,
        pair_id=pair_id,
        kind=kind.value,
        body=body,
        previous=previous,
    ).sealed()
    connection.execute(sa.insert(tables.verdict).values(**asdict(link)))
    connection.execute(sa.update(tables.head).values(seq=link.seq, hash=link.hash))
    return link.seq


def judge(
    connection: sa.Connection, account_id: str, pair_id: str, answers: Answers, now: float
) -> int:
    """Record a verdict on a pair; return its number.

    Raises:
        AlreadyDecidedError: the annotator has already decided on it.
    """
    decision = tables.decision
    if verdict_of(connection, account_id, pair_id) is not None:
        raise AlreadyDecidedError(f"you have already decided on pair {pair_id} (in another tab?)")
    seq = append(
        connection,
        VerdictKind.JUDGE,
        account_id=account_id,
        pair_id=pair_id,
        body=answers.text(),
        now=now,
    )
    connection.execute(sa.insert(decision).values(account_id=account_id, pair_id=pair_id, seq=seq))
    _count(connection, pair_id, +1, asks=bool(answers.ask_lead))
    return seq


def undo(connection: sa.Connection, account_id: str, seq: int, now: float) -> str:
    """Take back a current verdict of an annotator; return its answers as JSON.

    Raises:
        ReviewError: it is no current verdict of theirs, or a lead has settled the pair.
    """
    decision, verdict, item = tables.decision, tables.verdict, tables.item
    row = connection.execute(
        sa.select(verdict.c.pair_id, verdict.c.body, item.c.settled)
        .join(decision, decision.c.seq == verdict.c.seq)
        .join(item, item.c.pair_id == verdict.c.pair_id)
        .where(verdict.c.seq == seq, decision.c.account_id == account_id)
    ).one_or_none()
    if row is None:
        raise ReviewError("that is no longer your verdict; nothing was undone")
    if row.settled is not None:
        raise ReviewError(f"pair {row.pair_id} has been settled by a lead; it cannot be undone")
    append(
        connection,
        VerdictKind.UNDO,
        account_id=account_id,
        pair_id=row.pair_id,
        body=json.dumps({"undoes": seq}),
        now=now,
    )
    connection.execute(sa.delete(decision).where(decision.c.seq == seq))
    _count(connection, row.pair_id, -1, asks=bool(read_answers(row.body).ask_lead))
    return str(row.body)


def verdict_of(connection: sa.Connection, account_id: str, pair_id: str) -> int | None:
    """Return the number of an annotator's current verdict on a pair, or None."""
    decision = tables.decision
    return connection.scalar(
        sa.select(decision.c.seq).where(
            decision.c.account_id == account_id, decision.c.pair_id == pair_id
        )
    )


def links(connection: sa.Connection) -> Iterator[Link]:
    """Yield the log by row number."""
    rows = connection.execute(sa.select(tables.verdict).order_by(tables.verdict.c.seq))
    for row in rows.mappings():
        yield Link(**row)


def verify(connection: sa.Connection, noted: tuple[int, str] | None = None) -> list[str]:
    """List faults in the log and in the tables derived from it; empty if there are none."""
    review_id = get_meta(connection, "review_id")
    found = list(
        chain.faults(links(connection), chain.genesis(review_id), head_of(connection), noted)
    )
    return found + _unfounded(connection)


def timestamp(now: float) -> str:
    """Format a time as UTC ISO 8601 with microseconds, which sorts chronologically.

    >>> timestamp(0.5)
    '1970-01-01T00:00:00.500000+00:00'
    """
    return datetime.datetime.fromtimestamp(now, datetime.UTC).isoformat(timespec="microseconds")


def _count(connection: sa.Connection, pair_id: str, by: int, *, asks: bool) -> None:
    item = tables.item
    connection.execute(
        sa.update(item)
        .where(item.c.pair_id == pair_id)
        .values(decided=item.c.decided + by, asked=item.c.asked + (by if asks else 0))
    )


def _unfounded(connection: sa.Connection) -> list[str]:
    """List derived tables that contradict the log."""
    holds: dict[tuple[str, str], int] = {}
    settled: dict[str, int] = {}
    gold: dict[str, Any] = {}
    for link in links(connection):
        key = (link.account_id, link.pair_id)
        if link.kind == VerdictKind.JUDGE:
            holds[key] = link.seq
        elif link.kind == VerdictKind.UNDO:
            holds.pop(key, None)
        elif link.kind == VerdictKind.SETTLE:
            settled[link.pair_id] = link.seq
        elif link.kind == VerdictKind.GOLD:
            gold[link.pair_id] = link.body
    decision, item = tables.decision, tables.item
    rows = connection.execute(sa.select(decision.c.account_id, decision.c.pair_id, decision.c.seq))
    wrong = [] if {(a, p): s for a, p, s in rows} == holds else ["the current verdicts (decision)"]
    marks = connection.execute(
        sa.select(item.c.pair_id, item.c.settled, item.c.gold, item.c.decided)
    ).all()
    counts = Counter(pair_id for _, pair_id in holds)
    if {row.pair_id: row.decided for row in marks if row.decided} != counts:
        wrong.append("the number of verdicts per pair (item.decided)")
    if {row.pair_id: row.settled for row in marks if row.settled is not None} != settled:
        wrong.append("the leads' decisions (item.settled)")
    if {row.pair_id: row.gold for row in marks if row.gold is not None} != gold:
        wrong.append("the known answers (item.gold)")
    return [f"{what}: does not match the log; the table was changed" for what in wrong]


def read_answers(body: str) -> Answers:
    """Parse the answers of a verdict, a lead's decision or a known answer."""
    return answering.from_json(json.loads(body))
