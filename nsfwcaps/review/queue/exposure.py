"""Exposure record of each person: private to them, and erasable by them.

Daily caps are counted from sessions, so erasing the record does not lift them.
"""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass

import sqlalchemy as sa

from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.queue import journal, sessions


class Event(enum.StrEnum):
    """Kind of event."""

    CONSENT = "consent"
    TEXT = "text uncovered"
    IMAGE = "image uncovered"
    BROKEN = "image could not be shown"
    DECIDED = "decided"
    SKIPPED = "skipped"
    LEFT = "left open"
    UNDONE = "undone"


@dataclass(frozen=True, kw_only=True)
class Dose:
    """One entry of the exposure record."""

    at: float
    event: Event
    pair_id: str | None = None
    category: str | None = None
    severity: int | None = None
    seconds: float | None = None
    """How long the pair was open, for `decided`, `skipped` and `left open`."""


def record(connection: sa.Connection, account_id: str, entry: Dose) -> None:
    """Add an entry."""
    connection.execute(
        sa.insert(tables.dose).values(
            account_id=account_id,
            at=entry.at,
            event=entry.event.value,
            pair_id=entry.pair_id,
            category=entry.category,
            severity=entry.severity,
            seconds=entry.seconds,
        )
    )


def entries(connection: sa.Connection, account_id: str) -> list[Dose]:
    """Return a person's entries, newest first. For that person only."""
    dose = tables.dose
    rows = connection.execute(
        sa.select(
            *(dose.c.at, dose.c.event, dose.c.pair_id, dose.c.category),
            *(dose.c.severity, dose.c.seconds),
        )
        .where(dose.c.account_id == account_id)
        .order_by(dose.c.dose_id.desc())
    ).mappings()
    return [Dose(**{**row, "event": Event(row["event"])}) for row in rows]


def erase_all(database: Database, account_id: str, now: float) -> int:
    """Call `erase` in its own write transaction."""
    with database.write() as connection:
        return erase(connection, account_id, sessions.today(now))


def erase(connection: sa.Connection, account_id: str, today: str) -> int:
    """Erase a person's record, skips and past sessions; return the number of rows.

    Skipped pairs may be assigned again, as nothing remembers them any more. What was done last
    cannot be undone then.
    """
    dose, skip, session = tables.dose, tables.skip, tables.session
    shown = tables.lead_reveals
    midnight = datetime.datetime.fromisoformat(today).replace(tzinfo=datetime.UTC).timestamp()
    journal.forget(connection, account_id)
    gone = [
        connection.execute(sa.delete(dose).where(dose.c.account_id == account_id)),
        connection.execute(sa.delete(skip).where(skip.c.account_id == account_id)),
        connection.execute(
            sa.delete(session).where(
                session.c.account_id == account_id,
                session.c.day < today,
                session.c.last_active < midnight,  # keep a session that spans midnight
            )
        ),
        connection.execute(
            sa.delete(shown).where(
                shown.c.account_id == account_id, shown.c.hour < midnight // 3600
            )
        ),
    ]
    return sum(result.rowcount for result in gone)
