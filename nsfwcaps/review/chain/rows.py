"""Rows of the log: every one is appended here, and none is ever changed."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterator
from dataclasses import asdict

import sqlalchemy as sa

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.chain.links import Link, genesis


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
    """An account was added, its role changed, or it was disabled; the row is about no pair."""
    QUEUE = "queue"
    """The queue was filled or changed; the row is about no pair."""
    CLOCK = "clock"
    """The clock was found set back, by so many seconds (`back_s`); about no pair and nobody."""
    RESTORE = "restore"
    """A lead said that a backup was restored, and which noted row was lost; about no pair."""


COMMAND_LINE = ""
"""In place of an account: whoever can write the database, with `nsfwcaps review`."""


def begin_log(connection: sa.Connection, review_id: str) -> None:
    """Write the head of an empty log."""
    connection.execute(sa.update(tables.head).values(seq=0, hash=genesis(review_id)))


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


def links(connection: sa.Connection, *kinds: VerdictKind) -> Iterator[Link]:
    """Yield the log by row number, or only its rows of some kinds."""
    row = tables.verdict.c
    query = sa.select(tables.verdict).order_by(row.seq)
    if kinds:
        query = query.where(row.kind.in_([kind.value for kind in kinds]))
    for values in connection.execute(query).mappings():
        yield Link(**values)


def timestamp(now: float) -> str:
    """Format a time as UTC ISO 8601 with microseconds, which sorts chronologically.

    >>> timestamp(0.5)
    '1970-01-01T00:00:00.500000+00:00'
    """
    return datetime.datetime.fromtimestamp(now, datetime.UTC).isoformat(timespec="microseconds")
