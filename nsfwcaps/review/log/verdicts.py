"""Verdicts: an append-only log, and the current state derived from it."""

from __future__ import annotations

import json

import sqlalchemy as sa

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.chain.rows import VerdictKind as VerdictKind
from nsfwcaps.review.chain.rows import append as append
from nsfwcaps.review.chain.rows import begin_log as begin_log
from nsfwcaps.review.chain.rows import head_of as head_of
from nsfwcaps.review.chain.rows import links as links
from nsfwcaps.review.chain.rows import timestamp as timestamp
from nsfwcaps.review.log import answers as answering
from nsfwcaps.review.log.answers import Answers
from nsfwcaps.review.log.verifying import verify as verify


class AlreadyDecidedError(ReviewError):
    """An annotator decides twice on a pair, for example from a second tab."""


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
        body=answers.stored(category_of(connection, pair_id)),
        now=now,
    )
    connection.execute(sa.insert(decision).values(account_id=account_id, pair_id=pair_id, seq=seq))
    _count(connection, pair_id, +1, asks=bool(answers.ask_lead))
    return seq


def category_of(connection: sa.Connection, pair_id: str) -> str:
    """Return the category that a pair is in now."""
    item = tables.item
    return str(connection.scalar(sa.select(item.c.category).where(item.c.pair_id == pair_id)))


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


def _count(connection: sa.Connection, pair_id: str, by: int, *, asks: bool) -> None:
    item = tables.item
    connection.execute(
        sa.update(item)
        .where(item.c.pair_id == pair_id)
        .values(decided=item.c.decided + by, asked=item.c.asked + (by if asks else 0))
    )


def read_answers(body: str) -> Answers:
    """Parse the answers of a verdict, a lead's decision or a known answer."""
    values = json.loads(body)
    values.pop(answering.OF_CATEGORY, None)
    return answering.from_json(values)
