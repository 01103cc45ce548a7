"""Sessions of work and what is left of their caps. A session begins with consent."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nsfwcaps.review import tables
from nsfwcaps.review.queue.policy import Policy

IDLE_S = 30 * 60
"""A session in which nothing happened for so long has ended when something last did."""

REVEALS = "uncovered texts and images"


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session that is going on."""

    session_id: int
    started: float
    last_active: float
    pairs: int
    reveals: int
    severe_at: float | None


@dataclass(frozen=True, kw_only=True)
class Left:
    """What is left: the less of what the session and the day allow."""

    pairs: int
    reveals: int
    minutes: float
    of_day: bool
    """Whether it is the day that is used up, where something is."""

    @property
    def exhausted(self) -> str | None:
        """What is used up, or None."""
        for name, value in (("pairs", self.pairs), ("time", self.minutes)):
            if value <= 0:
                return name
        return REVEALS if self.reveals <= 0 else None


def today(now: float) -> str:
    """The day, in UTC.

    >>> today(86_400.0)
    '1970-01-02'
    """
    return datetime.datetime.fromtimestamp(now, datetime.UTC).date().isoformat()


def current(connection: sa.Connection, account_id: str, now: float) -> Session | None:
    """The session that a person is in, or None: they have none, left it, or have been away."""
    session = tables.session
    row = (
        connection.execute(
            sa.select(session)
            .where(session.c.account_id == account_id, session.c.ended.is_(None))
            .order_by(session.c.session_id.desc())
            .limit(1)
        )
        .mappings()
        .one_or_none()
    )
    if row is None or now - row["last_active"] > IDLE_S:
        return None
    return Session(**{name: row[name] for name in Session.__dataclass_fields__})


def begin(connection: sa.Connection, account_id: str, now: float) -> Session:
    """Begin a session, now that somebody has consented; one that is open ends."""
    close(connection, account_id)
    session = tables.session
    last = sa.select(session.c.severe_at).where(session.c.account_id == account_id)
    # Ending a session is no way to two severe pairs in a row.
    severe_at = connection.scalar(last.order_by(session.c.session_id.desc()).limit(1))
    connection.execute(
        sa.insert(session).values(
            account_id=account_id,
            day=today(now),
            started=now,
            last_active=now,
            severe_at=severe_at,
        )
    )
    begun = current(connection, account_id, now)
    assert begun is not None, "written above"
    return begun


def close(connection: sa.Connection, account_id: str, now: float | None = None) -> None:
    """End a person's sessions: now, or when something last happened in them.

    One in which nothing has happened for long ended then, whatever `now` is.
    """
    session = tables.session
    ended: Any = session.c.last_active
    if now is not None:
        ended = sa.case((session.c.last_active < now - IDLE_S, ended), else_=now)
    connection.execute(
        sa.update(session)
        .where(session.c.account_id == account_id, session.c.ended.is_(None))
        .values(ended=ended)
    )


def note(connection: sa.Connection, session: Session, now: float, **values: Any) -> None:
    """Keep that something happened in a session, and new counts."""
    table = tables.session
    connection.execute(
        sa.update(table)
        .where(table.c.session_id == session.session_id)
        .values(last_active=now, **values)
    )


def left(
    connection: sa.Connection, account_id: str, session: Session | None, policy: Policy, now: float
) -> Left:
    """What the session and the day still allow; without a session, what a new one would."""
    day = _of_day(connection, account_id, now)
    running_s = now - session.started if session else 0.0
    of_session = (
        policy.pairs_per_session - (session.pairs if session else 0),
        policy.reveals_per_session - (session.reveals if session else 0),
        policy.minutes_per_session - running_s / 60,
    )
    of_day = (
        policy.pairs_per_day - day[0],
        policy.reveals_per_day - day[1],
        policy.minutes_per_day - day[2],
    )
    less = [min(pair) for pair in zip(of_session, of_day, strict=True)]
    return Left(
        pairs=int(less[0]),
        reveals=int(less[1]),
        minutes=less[2],
        of_day=any(value <= 0 for value in of_day),
    )


def break_until(
    connection: sa.Connection, account_id: str, policy: Policy, now: float
) -> float | None:
    """When the break after the last session ends, or None where it is over."""
    session = tables.session
    ended = connection.scalar(
        sa.select(sa.func.max(sa.func.coalesce(session.c.ended, session.c.last_active))).where(
            session.c.account_id == account_id, (session.c.pairs > 0) | (session.c.reveals > 0)
        )
    )
    until = None if ended is None else ended + policy.break_minutes * 60
    return until if until is not None and until > now else None


def _of_day(connection: sa.Connection, account_id: str, now: float) -> tuple[int, int, float]:
    """Pairs, reveals and minutes of a person's sessions that began today."""
    session = tables.session
    rows = connection.execute(
        sa.select(session).where(session.c.account_id == account_id, session.c.day == today(now))
    ).all()
    seconds = 0.0
    for row in rows:
        runs = row.ended is None and now - row.last_active <= IDLE_S
        seconds += (now if runs else (row.ended or row.last_active)) - row.started
    return sum(row.pairs for row in rows), sum(row.reveals for row in rows), seconds / 60
