"""Work sessions and their remaining caps. A session begins with consent."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nsfwcaps.review import tables
from nsfwcaps.review.queue.policy import Policy

IDLE_S = 30 * 60
"""A session idle for this long has ended, as of its last activity."""

REVEALS = "uncovered texts and images"


@dataclass(frozen=True, kw_only=True)
class Session:
    """An open session."""

    session_id: int
    started: float
    last_active: float
    pairs: int
    reveals: int
    severe_at: float | None


@dataclass(frozen=True, kw_only=True)
class Left:
    """Remaining allowance: the smaller of the session's and the day's."""

    pairs: int
    reveals: int
    minutes: float
    of_day: bool
    """Whether the exhausted cap, if any, is the day's."""

    @property
    def exhausted(self) -> str | None:
        """Return the name of the exhausted cap, or None."""
        for name, value in (("pairs", self.pairs), ("time", self.minutes)):
            if value <= 0:
                return name
        return REVEALS if self.reveals <= 0 else None


def today(now: float) -> str:
    """Return the UTC date.

    >>> today(86_400.0)
    '1970-01-02'
    """
    return datetime.datetime.fromtimestamp(now, datetime.UTC).date().isoformat()


def current(connection: sa.Connection, account_id: str, now: float) -> Session | None:
    """Return a person's open session; None if there is none, it ended, or it was idle."""
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


def get(connection: sa.Connection, session_id: int) -> Session:
    """Return a session, open or not."""
    table = tables.session
    row = connection.execute(sa.select(table).where(table.c.session_id == session_id)).mappings()
    found = row.one()
    return Session(**{name: found[name] for name in Session.__dataclass_fields__})


def reopen(connection: sa.Connection, session: Session, now: float) -> float | None:
    """Go on with a session; return when it had ended."""
    table = tables.session
    mine = table.c.session_id == session.session_id
    was: float | None = connection.scalar(sa.select(table.c.ended).where(mine))
    connection.execute(sa.update(table).where(mine).values(ended=None, last_active=now))
    return was


def end(connection: sa.Connection, session: Session, at: float) -> None:
    """End one session at a time."""
    table = tables.session
    mine = table.c.session_id == session.session_id
    connection.execute(sa.update(table).where(mine).values(ended=at, last_active=at))


def begin(connection: sa.Connection, account_id: str, now: float) -> Session:
    """Begin a session after consent, ending any open one."""
    close(connection, account_id)
    session = tables.session
    last = sa.select(session.c.severe_at).where(session.c.account_id == account_id)
    # Restarting a session must not bypass the pause between severe pairs.
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
    """End a person's sessions: at `now`, or at their last activity.

    An idle session ended at its last activity, whatever `now` is.
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
    """Record activity in a session, with new counts."""
    table = tables.session
    connection.execute(
        sa.update(table)
        .where(table.c.session_id == session.session_id)
        .values(last_active=now, **values)
    )


def left(
    connection: sa.Connection, account_id: str, session: Session | None, policy: Policy, now: float
) -> Left:
    """Return the remaining allowance of the session and day, or of a new session."""
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
    """Return when the break after the last session ends, or None if it is over."""
    session = tables.session
    ended = connection.scalar(
        sa.select(sa.func.max(sa.func.coalesce(session.c.ended, session.c.last_active))).where(
            session.c.account_id == account_id, (session.c.pairs > 0) | (session.c.reveals > 0)
        )
    )
    until = None if ended is None else ended + policy.break_minutes * 60
    return until if until is not None and until > now else None


def _of_day(connection: sa.Connection, account_id: str, now: float) -> tuple[int, int, float]:
    """Sum pairs, reveals and minutes of a person's sessions that began today."""
    session = tables.session
    rows = connection.execute(
        sa.select(session).where(session.c.account_id == account_id, session.c.day == today(now))
    ).all()
    seconds = 0.0
    for row in rows:
        runs = row.ended is None and now - row.last_active <= IDLE_S
        seconds += (now if runs else (row.ended or row.last_active)) - row.started
    return sum(row.pairs for row in rows), sum(row.reveals for row in rows), seconds / 60
