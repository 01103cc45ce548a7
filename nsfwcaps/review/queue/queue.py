"""The queue: which pair an annotator gets next.

A reservation holds one of the places of a pair until it expires; a place given up goes to another
annotator.
"""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import sqlalchemy as sa

from nsfwcaps.review import tables
from nsfwcaps.review.people.accounts import Role
from nsfwcaps.review.queue.policy import SEVERE, Policy

_GOLD_CHOICES = 64

Conditions = Sequence[sa.ColumnElement[bool]]


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """The pair assigned to an annotator."""

    pair_id: str
    token: str
    category: str
    severity: int
    opened: float
    expires: float
    draft: str
    revealed: str
    broken: str
    next_pair_id: str | None
    next_token: str | None


class QueuedPair(NamedTuple):
    """A pair that an annotator may be given."""

    pair_id: str
    category: str
    severity: int


@dataclass(frozen=True, kw_only=True)
class SeverePace:
    """How soon a severe pair may come."""

    after_severe: bool
    """The last pair was severe: another comes only if nothing else is left."""
    rested: bool
    """The pause after it is over."""


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """No pair now. One may come later if only severe pairs are left and one was just seen."""

    severe_are_left: bool


def histogram(connection: sa.Connection, account_id: str) -> list[tuple[str, int, int]]:
    """Count available pairs by category and severity for an annotator, most frequent first."""
    item = tables.item
    query = (
        sa.select(item.c.category, item.c.severity, sa.func.count())
        .where(item.c.decided < item.c.needed, *_may_see(account_id))
        .group_by(item.c.category, item.c.severity)
    )
    rows = [(name, severity, count) for name, severity, count in connection.execute(query)]
    return sorted(rows, key=lambda row: (-row[2], row[0]))


def take(
    connection: sa.Connection,
    account_id: str,
    policy: Policy,
    now: float,
    pace: SeverePace,
    review_id: str,
    left: Reservation | None = None,
) -> Reservation | Nothing:
    """Reserve a pair for an annotator: the one already held, or else the next.

    `left` is the reservation that has just ended: the pair that it announced comes if it may. The
    random positions of gold pairs depend on `review_id`.
    """
    held = holding(connection, account_id)
    if held is not None and renewed(connection, account_id, held, policy, now):
        return held
    before = left or held
    announced = before.next_pair_id if before else None
    chosen = _Choice(connection, account_id, policy, now, review_id, announced=announced)
    found = chosen.next(pace)
    if isinstance(found, Nothing):
        return found
    token = before.next_token if before and found.pair_id == announced else None
    return _reserve(connection, account_id, found, policy, now, token=token)


def announce(
    connection: sa.Connection,
    account_id: str,
    held: Reservation,
    policy: Policy,
    now: float,
    review_id: str,
) -> Reservation:
    """Foresee the pair after the one held, and keep it with its token; reserve nothing.

    It assumes that both sides of the pair held will be looked at.
    """
    is_severe = held.severity >= SEVERE
    pace = SeverePace(after_severe=is_severe, rested=policy.severe_pause_minutes == 0)
    choice = _Choice(connection, account_id, policy, now, review_id, leaving=held.pair_id)
    found = choice.next(pace)
    pair_id = None if isinstance(found, Nothing) else found.pair_id
    after = replace(held, next_pair_id=pair_id, next_token=secrets.token_hex(8))
    table = tables.reservation
    connection.execute(
        sa.update(table)
        .where(table.c.account_id == account_id)
        .values(next_pair_id=after.next_pair_id, next_token=after.next_token)
    )
    return after


def forget_announced(connection: sa.Connection, account_id: str) -> None:
    """Announce another pair at the next occasion."""
    table = tables.reservation
    connection.execute(
        sa.update(table)
        .where(table.c.account_id == account_id)
        .values(next_pair_id=None, next_token=None)
    )


def look_up(connection: sa.Connection, pair_id: str) -> QueuedPair:
    """Return the category and severity of a queued pair."""
    item = tables.item
    row = connection.execute(
        sa.select(item.c.pair_id, item.c.category, item.c.severity).where(item.c.pair_id == pair_id)
    ).one()
    return QueuedPair(*row)


def holding(connection: sa.Connection, account_id: str) -> Reservation | None:
    """Return the reservation of an annotator, expired or not."""
    held, item = tables.reservation, tables.item
    row = (
        connection.execute(
            sa.select(
                *(held.c.pair_id, held.c.token, held.c.opened, held.c.expires),
                *(held.c.draft, held.c.revealed, held.c.broken),
                *(held.c.next_pair_id, held.c.next_token),
                *(item.c.category, item.c.severity),
            )
            .join(item, item.c.pair_id == held.c.pair_id)
            .where(held.c.account_id == account_id)
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else Reservation(**row)


def reserve_again(
    connection: sa.Connection,
    account_id: str,
    found: QueuedPair,
    policy: Policy,
    opened: float,
    *,
    draft: str,
) -> Reservation:
    """Assign a pair again with its earlier answers, covered; it may be opened from `opened` on."""
    return _reserve(connection, account_id, found, policy, opened, draft=draft)


def release(connection: sa.Connection, account_id: str) -> None:
    """Release an annotator's reservation."""
    held = tables.reservation
    connection.execute(sa.delete(held).where(held.c.account_id == account_id))


def put_down(connection: sa.Connection, account_id: str, held: Reservation) -> None:
    """Release a reservation, and keep its answers for when the pair comes again."""
    release(connection, account_id)
    _take_up(connection, account_id, held.pair_id)
    if json.loads(held.draft):
        values = {"account_id": account_id, "pair_id": held.pair_id, "draft": held.draft}
        connection.execute(sa.insert(tables.put_down).values(**values))


def release_expired(connection: sa.Connection, account_id: str, now: float) -> None:
    """Release an annotator's reservation if it has expired."""
    held = tables.reservation
    connection.execute(
        sa.delete(held).where(held.c.account_id == account_id, held.c.expires <= now)
    )


def others_hold(connection: sa.Connection, account_id: str, now: float) -> bool:
    """Whether others hold pairs, which may become available again."""
    held = tables.reservation
    count = connection.scalar(
        sa.select(sa.func.count()).where(held.c.account_id != account_id, held.c.expires > now)
    )
    return bool(count)


def keep_draft(
    connection: sa.Connection, account_id: str, policy: Policy, now: float, **values: str
) -> None:
    """Store the partial answers (`draft`) or the uncovered sides (`revealed`)."""
    held = tables.reservation
    expires = now + policy.reservation_minutes * 60
    connection.execute(
        sa.update(held).where(held.c.account_id == account_id).values(**values, expires=expires)
    )


def _may_see(account_id: str) -> list[sa.ColumnElement[bool]]:
    """SQL conditions on items that an annotator may be given at all."""
    item, decision, skip, out = tables.item, tables.decision, tables.skip, tables.opt_out
    account = tables.account
    is_lead = sa.exists().where(
        account.c.account_id == account_id, account.c.role == Role.LEAD.value
    )
    return [
        item.c.gone.is_(False),
        item.c.settled.is_(None),
        # A lead has what was said of these before them on the page Disputes.
        sa.or_(
            sa.and_(item.c.asked == 0, item.c.opened.is_(None), item.c.aside.is_(None)),
            ~is_lead,
        ),
        item.c.category.not_in(sa.select(out.c.category).where(out.c.account_id == account_id)),
        # Not EXISTS: without statistics, PostgreSQL picks the wrong join order for it.
        *(
            item.c.pair_id.not_in(
                sa.select(table.c.pair_id).where(table.c.account_id == account_id)
            )
            for table in (decision, skip)
        ),
    ]


@dataclass(frozen=True)
class _Choice:
    """Choice of the next pair for an annotator."""

    connection: sa.Connection
    account_id: str
    policy: Policy
    now: float
    review_id: str
    announced: str | None = None
    """Preferred if it may come."""
    leaving: str | None = None
    """Pair held now: choose as if it had been decided on."""

    def next(self, pace: SeverePace) -> QueuedPair | Nothing:
        """Return the next pair without reserving it."""
        limits = [tables.item.c.severity < SEVERE] if pace.after_severe else []
        found = self._gold(limits) or self._regular(limits)
        if found is not None:
            return found
        severe = self._regular([]) if pace.after_severe else None
        if severe is None or not pace.rested:
            return Nothing(severe_are_left=severe is not None)
        return severe

    def _allowed(self, limits: Conditions) -> list[sa.ColumnElement[bool]]:
        here = [] if self.leaving is None else [tables.item.c.pair_id != self.leaving]
        return [*_may_see(self.account_id), *here, *limits]

    def _regular(self, limits: Conditions) -> QueuedPair | None:
        item = tables.item
        query = (
            sa.select(item.c.pair_id, item.c.category, item.c.severity)
            .where(
                item.c.decided < item.c.needed,
                item.c.gold.is_(None),
                item.c.pair_id.not_in(_full(self.account_id, self.now)),
                *self._allowed(limits),
            )
            .order_by(item.c.position)
            .limit(1)
        )
        row = None
        if self.announced is not None:
            same = item.c.pair_id == self.announced
            row = self.connection.execute(query.where(same)).one_or_none()
        row = row or self.connection.execute(query).one_or_none()
        return None if row is None else QueuedPair(*row)

    def _gold(self, limits: Conditions) -> QueuedPair | None:
        """Draw a gold pair at random positions of an annotator's work; None elsewhere."""
        item = tables.item
        done = sum(
            self.connection.scalar(
                sa.select(sa.func.count()).where(table.c.account_id == self.account_id)
            )
            or 0
            for table in (tables.decision, tables.skip)
        )
        done += self.leaving is not None
        drawn = random.Random(f"{self.review_id} {self.account_id} {done}")
        if drawn.random() >= self.policy.gold_share:
            return None
        rows = self.connection.execute(
            sa.select(item.c.pair_id, item.c.category, item.c.severity)
            .where(item.c.gold.is_not(None), *self._allowed(limits))
            .order_by(item.c.position)
            .limit(_GOLD_CHOICES)
        ).all()
        return QueuedPair(*drawn.choice(rows)) if rows else None


def _full(account_id: str, now: float) -> sa.Select[tuple[str]]:
    """Select pairs whose places are all taken, by verdicts or by other people at work."""
    there, held = sa.alias(tables.item), tables.reservation
    # Few pairs are held at a time: count them once instead of per candidate.
    return (
        sa.select(held.c.pair_id)
        .join(there, there.c.pair_id == held.c.pair_id)
        .where(held.c.account_id != account_id, held.c.expires > now)
        .group_by(held.c.pair_id, there.c.decided, there.c.needed)
        .having(there.c.decided + sa.func.count() >= there.c.needed)
    )


def _reserve(
    connection: sa.Connection,
    account_id: str,
    found: QueuedPair,
    policy: Policy,
    opened: float,
    *,
    draft: str | None = None,
    token: str | None = None,
) -> Reservation:
    release(connection, account_id)
    kept = _take_up(connection, account_id, found.pair_id)
    given = Reservation(
        pair_id=found.pair_id,
        token=token or secrets.token_hex(8),
        category=found.category,
        severity=found.severity,
        opened=opened,
        expires=opened + policy.reservation_minutes * 60,
        draft=draft or kept or "{}",
        revealed="[]",
        broken="[]",
        next_pair_id=None,
        next_token=None,
    )
    values = asdict(given)
    for name in ("category", "severity"):  # those of the pair
        del values[name]
    connection.execute(sa.insert(tables.reservation).values(account_id=account_id, **values))
    return given


def _take_up(connection: sa.Connection, account_id: str, pair_id: str) -> str | None:
    """Remove and return the answers of a pair that was put down, if there are any."""
    kept = tables.put_down
    mine = (kept.c.account_id == account_id) & (kept.c.pair_id == pair_id)
    draft: str | None = connection.scalar(sa.select(kept.c.draft).where(mine))
    if draft is not None:
        connection.execute(sa.delete(kept).where(mine))
    return draft


def renewed(
    connection: sa.Connection, account_id: str, kept: Reservation, policy: Policy, now: float
) -> bool:
    """Renew a reservation if the pair is still allowed and has a free place.

    Another annotator may have taken the place of an expired one since.
    """
    if not is_free(connection, account_id, kept.pair_id, now):
        return False
    keep_draft(connection, account_id, policy, max(now, kept.opened))
    return True


def is_free(connection: sa.Connection, account_id: str, pair_id: str, now: float) -> bool:
    """Whether an annotator may see a pair, and it has a free place for them."""
    item, held = tables.item, tables.reservation
    row = connection.execute(
        sa.select(item.c.decided, item.c.needed, item.c.gold).where(
            item.c.pair_id == pair_id, *_may_see(account_id)
        )
    ).one_or_none()
    others = connection.scalar(
        sa.select(sa.func.count()).where(
            held.c.pair_id == pair_id, held.c.account_id != account_id, held.c.expires > now
        )
    )
    return row is not None and (row.gold is not None or row.decided + (others or 0) < row.needed)
