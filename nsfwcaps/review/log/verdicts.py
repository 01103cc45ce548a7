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
        body=answers.text(),
        now=now,
    )
    connection.execute(sa.insert(decision).values(account_id=account_id, pair_id=pair_id, seq=seq))
    _count(connection, pair_id, +1)
    return seq


def undo(connection: sa.Connection, account_id: str, now: float, since: float) -> tuple[str, str]:
    """Take back an annotator's last verdict; return its pair and answers.

    Raises:
        ReviewError: there is none since `since`, or a lead has settled the pair.
    """
    decision, verdict, item = tables.decision, tables.verdict, tables.item
    last = last_since(connection, account_id, since)
    if last is None:
        raise ReviewError("there is nothing to undo in this session")
    row = connection.execute(
        sa.select(verdict.c.seq, verdict.c.pair_id, verdict.c.body, item.c.settled)
        .join(item, item.c.pair_id == verdict.c.pair_id)
        .where(verdict.c.seq == last)
    ).one()
    if row.settled is not None:
        raise ReviewError(f"pair {row.pair_id} has been settled by a lead; it cannot be undone")
    append(
        connection,
        VerdictKind.UNDO,
        account_id=account_id,
        pair_id=row.pair_id,
        body=json.dumps({"undoes": row.seq}),
        now=now,
    )
    connection.execute(sa.delete(decision).where(decision.c.seq == row.seq))
    _count(connection, row.pair_id, -1)
    return row.pair_id, row.body


def last_since(connection: sa.Connection, account_id: str, since: float) -> int | None:
    """Return the number of an annotator's latest current verdict since a time, or None."""
    decision, verdict = tables.decision, tables.verdict
    last: int | None = connection.scalar(
        sa.select(sa.func.max(decision.c.seq)).where(decision.c.account_id == account_id)
    )
    if last is None:
        return None
    at = connection.scalar(sa.select(verdict.c.at).where(verdict.c.seq == last))
    return last if at is not None and at >= timestamp(since) else None


def verdict_of(connection: sa.Connection, account_id: str, pair_id: str) -> int | None:
    """Return the number of an annotator's current verdict on a pair, or None."""
    decision = tables.decision
    return connection.scalar(
        sa.select(decision.c.seq).where(
            decision.c.account_id == account_id, decision.c.pair_id == pair_id
        )
    )


def _count(connection: sa.Connection, pair_id: str, by: int) -> None:
    item = tables.item
    connection.execute(
        sa.update(item).where(item.c.pair_id == pair_id).values(decided=item.c.decided + by)
    )


def read_answers(body: str) -> Answers:
    """Parse the answers of a verdict, a lead's decision or a known answer."""
    return answering.from_json(json.loads(body))
