"""A clock that was set back.

Times that were written before then lie in the future: breaks, pauses, reservations and logins would
last until those times come. They are moved back by as much as the clock was, and the log says so.
A clock that is set forward cannot be told from time that has passed.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from nsfwcaps.review import tables
from nsfwcaps.review.chain import rows
from nsfwcaps.review.chain.rows import VerdictKind
from nsfwcaps.review.database import get_meta, set_meta
from nsfwcaps.review.queue.policy import Policy
from nsfwcaps.review.queue.sessions import today

STEP_S = 60.0
"""Smaller steps are the corrections that every clock gets."""

_NOTED = "clock"
_AGAIN_S = 3_600.0
"""Servers of one database whose clocks differ would otherwise fill the log."""


def set_right(connection: sa.Connection, account_id: str, policy: Policy, now: float) -> None:
    """Move times that lie in the future back, within a write transaction."""
    session, held, login = tables.session, tables.reservation, tables.login
    expires = now + policy.reservation_minutes * 60  # of a reservation that is made now
    last = connection.scalar(sa.select(sa.func.max(held.c.expires))) or 0.0
    if max(_mine(connection, account_id), now + last - expires) <= now + STEP_S:
        return
    active = sa.func.max(session.c.last_active), sa.func.max(session.c.ended)
    times = connection.execute(sa.select(*active)).one()
    back_s = max(time or 0.0 for time in times) - now
    if back_s <= STEP_S:  # reservations were longer by an earlier policy
        return
    for row in connection.execute(sa.select(session).where(session.c.started > now)).all():
        mine = session.c.session_id == row.session_id  # it counts for the day that it is now
        day = today(row.started - back_s)
        connection.execute(sa.update(session).where(mine).values(day=day))
    _move(connection, session, ("started", "last_active", "ended", "severe_at"), now, back_s)
    _move(connection, login, ("created", "last_seen"), now, back_s)
    connection.execute(
        sa.update(held)
        .where(held.c.expires > expires)
        .values(opened=_moved(held.c.opened, now, back_s), expires=held.c.expires - back_s)
    )
    _note(connection, now, back_s)


def _mine(connection: sa.Connection, account_id: str) -> float:
    """Return when a person was last active; 0 if never."""
    session = tables.session
    row = connection.execute(
        sa.select(session.c.last_active, session.c.ended)
        .where(session.c.account_id == account_id)
        .order_by(session.c.session_id.desc())
        .limit(1)
    ).one_or_none()
    return 0.0 if row is None else max(row.last_active, row.ended or 0.0)


def _move(
    connection: sa.Connection, table: sa.Table, names: tuple[str, ...], now: float, back_s: float
) -> None:
    columns = [table.c[name] for name in names]
    moved = {column.name: _moved(column, now, back_s) for column in columns}
    late = sa.or_(*(column > now for column in columns))
    connection.execute(sa.update(table).where(late).values(**moved))


def _moved(column: sa.Column[Any], now: float, back_s: float) -> sa.ColumnElement[Any]:
    return sa.case((column > now, column - back_s), else_=column)


def _note(connection: sa.Connection, now: float, back_s: float) -> None:
    noted = get_meta(connection, _NOTED)
    lately = noted is not None and 0 <= now - noted["at"] < _AGAIN_S
    if lately and abs(noted["back_s"] - back_s) < STEP_S:
        return
    set_meta(connection, _NOTED, {"at": now, "back_s": round(back_s)})
    rows.append(
        connection,
        VerdictKind.CLOCK,
        account_id=rows.COMMAND_LINE,
        pair_id="",
        body=json.dumps({"back_s": round(back_s)}),
        now=now,
    )
