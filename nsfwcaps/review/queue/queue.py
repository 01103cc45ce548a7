"""The queue: which pairs are judged, in which order, and which one an annotator gets next.

Every pair needs as many annotators as the policy says. A reservation holds one of these places
until it expires; a place given up goes to another annotator.
"""

from __future__ import annotations

import itertools
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
import sqlalchemy as sa

from nsfwcaps.enums import DifficultyLevel
from nsfwcaps.review import tables
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.people.accounts import Role
from nsfwcaps.review.queue.policy import SEVERE, Policy
from nsfwcaps.review.queue.priorities import Reason, disagreement, hubness, nearness, order

_ROWS = 10_000
_GOLD_CHOICES = 64


@dataclass(frozen=True, kw_only=True)
class FilledQueue:
    """Counts of what `fill` changed."""

    added: int
    gone: int
    back: int


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


class _Found(NamedTuple):
    pair_id: str
    category: str
    severity: int


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """No pair now. One may come later if only severe pairs are left and one was just seen."""

    severe_are_left: bool


def fill(connection: sa.Connection, pairs: ReviewPairs, policy: Policy, seed: int) -> FilledQueue:
    """Queue new pairs; mark those no longer in the data set."""
    item = tables.item
    known = known_ids(connection)
    positions, reasons = ranked(pairs, policy, seed)
    ids = pairs.ids
    categories = pairs.table["category"].to_pylist()
    levels = pairs.table["stage"].to_pylist()
    first = connection.scalar(sa.select(sa.func.max(item.c.position)))
    start = 0 if first is None else first + 1
    rows: list[dict[str, Any]] = [
        {
            "pair_id": ids[row],
            "position": start + place,
            "reason": reason.value,
            "category": categories[row],
            "severity": policy.severity_of(categories[row]),
            "stage": levels[row],
            "needed": policy.overlap,
        }
        for place, (row, reason) in enumerate(zip(positions.tolist(), reasons, strict=True))
        if ids[row] not in known
    ]
    for at in range(0, len(rows), _ROWS):
        connection.execute(sa.insert(item), rows[at : at + _ROWS])
    gone = [pair for pair, was_gone in known.items() if not was_gone and pair not in pairs]
    back = [pair for pair, was_gone in known.items() if was_gone and pair in pairs]
    _mark(connection, gone, True)
    _mark(connection, back, False)
    _regrade(connection, pairs, policy)
    if connection.dialect.name == "postgresql":
        # Automatic statistics may come after the first page, which would then scan the whole queue.
        connection.exec_driver_sql("ANALYZE item")
    return FilledQueue(added=len(rows), gone=len(gone), back=len(back))


def known_ids(connection: sa.Connection) -> dict[str, bool]:
    """Return every pair ever queued, and whether it is gone from the data set."""
    item = tables.item
    rows = connection.execute(sa.select(item.c.pair_id, item.c.gone))
    return {row.pair_id: row.gone for row in rows}


def ranked(pairs: ReviewPairs, policy: Policy, seed: int) -> tuple[Any, list[Reason]]:
    """Return the data set's rows in queue order, with the reason for each place."""
    numbers = {
        name: pairs.table[name].to_numpy(zero_copy_only=False).astype(np.float64)
        for name in ("sim_text", "sim_image", "sim_cross", "margin", "difficulty", "hub_count")
    }
    scorers = ("sim_text", "sim_image", "sim_cross", "margin")
    signals = {
        Reason.BORDER: nearness(numbers["difficulty"], borders(pairs)),
        Reason.DISAGREEMENT: disagreement({name: numbers[name] for name in scorers}),
        Reason.HUB: hubness(numbers["hub_count"]),
    }
    return order(signals, control_share=policy.control_share, seed=seed)


def borders(pairs: ReviewPairs) -> list[float]:
    """Return the difficulty borders between the levels of a data set: midpoints of the gaps."""
    found = []
    levels = [
        pairs.table.filter(pc.equal(pairs.table["stage"], level.value)) for level in DifficultyLevel
    ]
    for lower, upper in itertools.pairwise(levels):
        high, low = pc.max(lower["difficulty"]).as_py(), pc.min(upper["difficulty"]).as_py()
        if high is not None and low is not None:
            found.append((high + low) / 2)
    return found


def set_overlap(connection: sa.Connection, overlap: int) -> None:
    """Change the number of annotators needed per pair."""
    connection.execute(sa.update(tables.item).values(needed=overlap))


def set_severities(connection: sa.Connection, policy: Policy) -> None:
    """Recompute the severity of every category."""
    item = tables.item
    for category in connection.scalars(sa.select(item.c.category).distinct()).all():
        connection.execute(
            sa.update(item)
            .where(item.c.category == category)
            .values(severity=policy.severity_of(category))
        )


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
    *,
    after_severe: bool,
    rested: bool,
    review_id: str,
) -> Reservation | Nothing:
    """Reserve a pair for an annotator: the one already held, or else the next.

    After a severe pair (`after_severe`), another severe one comes only if nothing else is left and
    the annotator has `rested`. The random positions of gold pairs depend on `review_id`.
    """
    held = holding(connection, account_id)
    if held is not None and renewed(connection, account_id, held, policy, now):
        return held
    limits = [tables.item.c.severity < SEVERE] if after_severe else []
    found = _gold(connection, account_id, policy, limits, review_id) or _regular(
        connection, account_id, now, limits
    )
    severe = _regular(connection, account_id, now, []) if found is None and after_severe else None
    if severe is not None and not rested:
        return Nothing(severe_are_left=True)
    found = found or severe
    if found is None:
        return Nothing(severe_are_left=False)
    return _reserve(connection, account_id, found, policy, now)


def holding(connection: sa.Connection, account_id: str) -> Reservation | None:
    """Return the reservation of an annotator, expired or not."""
    held, item = tables.reservation, tables.item
    row = (
        connection.execute(
            sa.select(
                *(held.c.pair_id, held.c.token, held.c.opened, held.c.expires),
                *(held.c.draft, held.c.revealed),
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
    pair_id: str,
    policy: Policy,
    now: float,
    *,
    draft: str,
    revealed: str,
) -> Reservation:
    """Assign a pair again, with its earlier answers."""
    item = tables.item
    row = connection.execute(
        sa.select(item.c.pair_id, item.c.category, item.c.severity).where(item.c.pair_id == pair_id)
    ).one()
    found = _Found(*row)
    return _reserve(connection, account_id, found, policy, now, draft=draft, revealed=revealed)


def release(connection: sa.Connection, account_id: str) -> None:
    """Release an annotator's reservation."""
    held = tables.reservation
    connection.execute(sa.delete(held).where(held.c.account_id == account_id))


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


def _mark(connection: sa.Connection, ids: Sequence[str], gone: bool) -> None:
    item = tables.item
    change = sa.update(item).where(item.c.pair_id == sa.bindparam("which")).values(gone=gone)
    if ids:
        connection.execute(change, [{"which": pair_id} for pair_id in ids])


def _regrade(connection: sa.Connection, pairs: ReviewPairs, policy: Policy) -> None:
    """Update queued pairs from the data set, as opt-outs rely on current categories."""
    item = tables.item
    columns = ("pair_id", "category", "stage")
    now = zip(*(pairs.table[name].to_pylist() for name in columns), strict=True)
    current = {pair_id: (category, level) for pair_id, category, level in now}
    rows = connection.execute(sa.select(*(item.c[name] for name in columns))).all()
    changed = [
        {
            "which": row.pair_id,
            "category": new[0],
            "severity": policy.severity_of(new[0]),
            "stage": new[1],
        }
        for row in rows
        if (new := current.get(row.pair_id, (row.category, row.stage))) != (row.category, row.stage)
    ]
    if changed:
        connection.execute(sa.update(item).where(item.c.pair_id == sa.bindparam("which")), changed)


def _may_see(account_id: str) -> list[sa.ColumnElement[bool]]:
    """SQL conditions on items that an annotator may be given at all."""
    item, decision, skip, out = tables.item, tables.decision, tables.skip, tables.opt_out
    account = tables.account
    leads = sa.select(account.c.account_id).where(account.c.role == Role.LEAD.value)
    return [
        item.c.gone.is_(False),
        item.c.settled.is_(None),
        # A lead has what was said of these before them on the page Disputes.
        sa.or_(
            sa.and_(item.c.asked == 0, item.c.opened.is_(None), item.c.aside.is_(None)),
            sa.literal(account_id).not_in(leads),
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


def _regular(
    connection: sa.Connection, account_id: str, now: float, limits: Sequence[sa.ColumnElement[bool]]
) -> _Found | None:
    item, held = tables.item, tables.reservation
    there = sa.alias(item)
    # Few pairs are held at a time: count them once instead of per candidate.
    full = (
        sa.select(held.c.pair_id)
        .join(there, there.c.pair_id == held.c.pair_id)
        .where(held.c.account_id != account_id, held.c.expires > now)
        .group_by(held.c.pair_id, there.c.decided, there.c.needed)
        .having(there.c.decided + sa.func.count() >= there.c.needed)
    )
    row = connection.execute(
        sa.select(item.c.pair_id, item.c.category, item.c.severity)
        .where(
            item.c.decided < item.c.needed,
            item.c.gold.is_(None),
            item.c.pair_id.not_in(full),
            *_may_see(account_id),
            *limits,
        )
        .order_by(item.c.position)
        .limit(1)
    ).one_or_none()
    return None if row is None else _Found(*row)


def _gold(
    connection: sa.Connection,
    account_id: str,
    policy: Policy,
    limits: Sequence[sa.ColumnElement[bool]],
    review_id: str,
) -> _Found | None:
    """Draw a gold pair at random positions of an annotator's work; None elsewhere."""
    item = tables.item
    done = sum(
        connection.scalar(sa.select(sa.func.count()).where(table.c.account_id == account_id)) or 0
        for table in (tables.decision, tables.skip)
    )
    drawn = random.Random(f"{review_id} {account_id} {done}")
    if drawn.random() >= policy.gold_share:
        return None
    rows = connection.execute(
        sa.select(item.c.pair_id, item.c.category, item.c.severity)
        .where(item.c.gold.is_not(None), *_may_see(account_id), *limits)
        .order_by(item.c.position)
        .limit(_GOLD_CHOICES)
    ).all()
    return _Found(*drawn.choice(rows)) if rows else None


def _reserve(
    connection: sa.Connection,
    account_id: str,
    found: _Found,
    policy: Policy,
    now: float,
    *,
    draft: str = "{}",
    revealed: str = "[]",
) -> Reservation:
    release(connection, account_id)
    given = Reservation(
        pair_id=found.pair_id,
        token=secrets.token_hex(8),
        category=found.category,
        severity=found.severity,
        opened=now,
        expires=now + policy.reservation_minutes * 60,
        draft=draft,
        revealed=revealed,
    )
    connection.execute(
        sa.insert(tables.reservation).values(
            account_id=account_id,
            pair_id=given.pair_id,
            token=given.token,
            opened=now,
            expires=given.expires,
            draft=draft,
            revealed=revealed,
        )
    )
    return given


def renewed(
    connection: sa.Connection, account_id: str, kept: Reservation, policy: Policy, now: float
) -> bool:
    """Renew an expired reservation if the pair is still allowed and has a free place.

    Another annotator may have taken the place since.
    """
    item, held = tables.item, tables.reservation
    row = connection.execute(
        sa.select(item.c.decided, item.c.needed, item.c.gold).where(
            item.c.pair_id == kept.pair_id, *_may_see(account_id)
        )
    ).one_or_none()
    others = connection.scalar(
        sa.select(sa.func.count()).where(
            held.c.pair_id == kept.pair_id, held.c.account_id != account_id, held.c.expires > now
        )
    )
    if row is None or (row.gold is None and row.decided + (others or 0) >= row.needed):
        return False
    keep_draft(connection, account_id, policy, now)
    return True
