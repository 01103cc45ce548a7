"""Filling the queue from a data set, and bringing it up to date.

Every pair needs as many annotators as the policy says.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
import sqlalchemy as sa

from nsfwcaps.enums import DifficultyLevel
from nsfwcaps.review import tables
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue.policy import Policy
from nsfwcaps.review.queue.priorities import Reason, disagreement, hubness, nearness, order

_ROWS = 10_000


@dataclass(frozen=True, kw_only=True)
class FilledQueue:
    """Counts of what `fill` changed."""

    added: int
    gone: int
    back: int


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
