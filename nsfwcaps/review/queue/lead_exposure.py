"""What leads uncover on their own pages: recorded for them alone, with caps of their own.

The counts behind the caps are apart from the exposure record, so erasing that does not lift them.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import sqlalchemy as sa

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log.adjudication import require_lead
from nsfwcaps.review.pairs import SIDES, ReviewPairs
from nsfwcaps.review.queue import exposure
from nsfwcaps.review.queue.exposure import Dose, Event
from nsfwcaps.review.queue.opening import policy_of
from nsfwcaps.review.queue.policy import Policy

_HOUR_S = 3600
_DAY_HOURS = 24


@dataclass(frozen=True, kw_only=True)
class LeadLeft:
    """Texts and images that a lead may still uncover."""

    in_hour: int
    in_day: int

    @property
    def reveals(self) -> int:
        """The smaller of both, at least 0."""
        return max(0, min(self.in_hour, self.in_day))


def left(connection: sa.Connection, account_id: str, now: float) -> LeadLeft:
    """Return what a lead may still uncover in this hour of the clock and this day, both UTC."""
    policy = policy_of(connection)
    shown = tables.lead_reveals
    hour = _hour(now)
    today = hour - hour % _DAY_HOURS
    rows = connection.execute(
        sa.select(shown.c.hour, shown.c.reveals).where(
            shown.c.account_id == account_id,
            shown.c.hour >= today,
            shown.c.hour < today + _DAY_HOURS,
        )
    )
    counts = {row.hour: row.reveals for row in rows}
    return LeadLeft(
        in_hour=policy.lead_reveals_per_hour - counts.get(hour, 0),
        in_day=policy.lead_reveals_per_day - sum(counts.values()),
    )


def uncover(
    database: Database, pairs: ReviewPairs, account_id: str, pair_id: str, what: str, now: float
) -> None:
    """Record that a lead uncovers `safe text`, `unsafe text`, `safe image` or `unsafe image`.

    Show it only afterwards. An image that cannot be shown raises an error and costs nothing.

    Raises:
        ReviewError: the account is not a lead, a cap is reached, or the pair is no longer in the
            data set.
        InputError: no such item, or the image cannot be shown.
    """
    side, _, kind = what.partition(" ")
    if side not in SIDES or kind not in ("text", "image"):
        raise InputError(
            f"cannot uncover {what!r}; expected 'safe' or 'unsafe', then 'text' or 'image'"
        )
    pairs.pair(pair_id)  # is it there?
    if kind == "image":
        pairs.image(pair_id, side)
    with database.write() as connection:
        require_lead(connection, account_id)
        _check_cap(connection, account_id, now)
        _count(connection, account_id, now)
        exposure.record(connection, account_id, _dose(connection, pair_id, side, kind, now))


def _check_cap(connection: sa.Connection, account_id: str, now: float) -> None:
    rest = left(connection, account_id, now)
    if rest.reveals > 0:
        return
    of_day = rest.in_day <= 0
    step = _DAY_HOURS * _HOUR_S if of_day else _HOUR_S
    resumes = datetime.datetime.fromtimestamp((now // step + 1) * step, datetime.UTC)
    policy: Policy = policy_of(connection)
    cap = policy.lead_reveals_per_day if of_day else policy.lead_reveals_per_hour
    raise ReviewError(
        f"you have uncovered {cap} texts and images on the pages of leads "
        f"{'today' if of_day else 'in this hour'}, which is the cap; go on after "
        f"{resumes:%Y-%m-%d %H:%M} UTC"
    )


def _count(connection: sa.Connection, account_id: str, now: float) -> None:
    shown = tables.lead_reveals
    here = (shown.c.account_id == account_id) & (shown.c.hour == _hour(now))
    done = connection.execute(sa.update(shown).where(here).values(reveals=shown.c.reveals + 1))
    if done.rowcount == 0:
        row = {"account_id": account_id, "hour": _hour(now), "reveals": 1}
        connection.execute(sa.insert(shown).values(**row))


def _dose(connection: sa.Connection, pair_id: str, side: str, kind: str, now: float) -> Dose:
    item = tables.item
    event = Event.TEXT if kind == "text" else Event.IMAGE
    if side == "safe":  # the category describes the unsafe side only
        return Dose(at=now, event=event, pair_id=pair_id)
    row = connection.execute(
        sa.select(item.c.category, item.c.severity).where(item.c.pair_id == pair_id)
    ).one()
    return Dose(at=now, event=event, pair_id=pair_id, category=row.category, severity=row.severity)


def _hour(now: float) -> int:
    return int(now // _HOUR_S)
