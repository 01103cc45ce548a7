"""Leads who change their mind: settled pairs opened again, disputes set aside, slips taken back.

Every such act is a row of the log; nothing is ever removed from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.log import marks, verdicts
from nsfwcaps.review.log.adjudication import (
    Dispute,
    check_open,
    is_disputed,
    marks_of,
    require_lead,
    set_marks,
)
from nsfwcaps.review.log.answers import Answers
from nsfwcaps.review.log.marks import UNMARKED, Marks
from nsfwcaps.review.log.verdicts import VerdictKind

_ALREADY = "pair {} is a dispute already; settle it on the page Disputes"


@dataclass(frozen=True, kw_only=True)
class LeadRow:
    """A lead's row of the log that counts: a settlement, a dispute set aside, an opening."""

    seq: int
    at: str
    by: str
    """Pseudonym of the lead."""
    kind: VerdictKind
    pair_id: str
    category: str
    severity: int
    level: str
    answers: Answers | None
    """The decision, where the pair was settled."""
    comment: str | None
    gone: bool
    """The pair is no longer in the data set."""


def reopen(
    connection: sa.Connection,
    account_id: str,
    pair_id: str,
    now: float,
    *,
    of: int | None,
    undo: bool = False,
) -> int:
    """Open a pair again as a dispute; return the row's number in the log.

    `of` is the lead's row that no longer counts: a settlement or a dispute set aside. It is None
    for a pair on which no lead's row counts: the verdicts agree or are not complete, or a known
    answer decides it. To name an opening takes that opening back.

    Raises:
        ReviewError: the account is not a lead; the pair is not in the review or no longer in the
            data set; another row counts by now; or, if `of` is None, nobody has judged the pair or
            it is a dispute already.
    """
    require_lead(connection, account_id)
    held = marks_of(connection, pair_id)
    if held.row != of:
        raise ReviewError(
            f"another lead has changed pair {pair_id} since; nothing was written: look at it again"
        )
    if of is None:
        _check_agreed(connection, pair_id)
    body = {marks.OF: of, **({marks.UNDO: True} if undo else {})}
    seq = _append(connection, VerdictKind.REOPEN, account_id, pair_id, body, now)
    takes_back = held.opened is not None
    after = _before(connection, held.opened) if takes_back else Marks(opened=seq)
    set_marks(connection, pair_id, after)
    return seq


def open_again(
    connection: sa.Connection, account_id: str, pair_id: str, now: float
) -> LeadRow | None:
    """Call `reopen` for whatever counts now; return the lead's row that no longer counts, if any.

    Raises:
        ReviewError: the pair is open already, or as in `reopen`.
    """
    held = marks_of(connection, pair_id)
    if held.opened is not None:
        raise ReviewError(_ALREADY.format(pair_id))
    row = None if held.row is None else _rows(connection, tables.verdict.c.seq == held.row)[0]
    reopen(connection, account_id, pair_id, now, of=held.row)
    return row


def set_aside(
    connection: sa.Connection,
    account_id: str,
    dispute: Dispute,
    now: float,
    *,
    comment: str = "",
) -> int:
    """Set a dispute aside for later, for all leads; return the row's number in the log.

    `reopen` brings it back.

    Raises:
        ReviewError: the account is not a lead; another lead has settled the pair or set it aside;
            or a verdict on it has changed since it was seen.
    """
    require_lead(connection, account_id)
    pair_id = dispute.pair_id
    check_open(connection, pair_id, dispute.seen)
    body = {"comment": comment.strip()} if comment.strip() else {}
    seq = _append(connection, VerdictKind.ASIDE, account_id, pair_id, body, now)
    set_marks(connection, pair_id, Marks(aside=seq))
    return seq


def last_act(connection: sa.Connection, account_id: str) -> LeadRow | None:
    """Return a lead's last row that still counts and can be taken back, or None.

    Rows that only took something back are left out, so that undoing twice goes back two steps.
    """
    item, verdict = tables.item, tables.verdict
    taken_back = sa.and_(
        verdict.c.kind == VerdictKind.REOPEN.value, verdict.c.body.contains(f'"{marks.UNDO}"')
    )
    counts = verdict.c.seq.in_([item.c.settled, item.c.aside, item.c.opened])
    found = _rows(
        connection,
        counts,
        verdict.c.account_id == account_id,
        ~taken_back,
        item.c.gone.is_(False),
        limit=1,
    )
    return found[0] if found else None


def undo(connection: sa.Connection, account_id: str, seq: int, now: float) -> str:
    """Take back a lead's last row, if it is this one; return its pair.

    Raises:
        ReviewError: it is not, for example because another lead has changed the pair since.
    """
    last = last_act(connection, account_id)
    if last is None or last.seq != seq:
        raise ReviewError("that is no longer your last decision; nothing was undone")
    reopen(connection, account_id, last.pair_id, now, of=seq, undo=True)
    return last.pair_id


def settled(connection: sa.Connection, limit: int | None = None) -> list[LeadRow]:
    """List what leads settled, newest first."""
    item, verdict = tables.item, tables.verdict
    return _rows(connection, item.c.settled == verdict.c.seq, limit=limit)


def aside(connection: sa.Connection, limit: int | None = None) -> list[LeadRow]:
    """List the disputes that leads set aside, newest first."""
    item, verdict = tables.item, tables.verdict
    return _rows(connection, item.c.aside == verdict.c.seq, limit=limit)


def _rows(
    connection: sa.Connection, *conditions: sa.ColumnElement[bool], limit: int | None = None
) -> list[LeadRow]:
    item, verdict = tables.item, tables.verdict
    query = (
        sa.select(
            *(verdict.c.seq, verdict.c.at, verdict.c.account_id, verdict.c.kind, verdict.c.body),
            *(item.c.pair_id, item.c.category, item.c.severity, item.c.stage, item.c.gone),
        )
        .join(item, item.c.pair_id == verdict.c.pair_id)
        .where(*conditions)
        .order_by(verdict.c.seq.desc())
        .limit(limit)
    )
    return [_lead_row(row) for row in connection.execute(query)]


def _lead_row(row: Any) -> LeadRow:
    kind = VerdictKind(row.kind)
    answers = verdicts.read_answers(row.body) if kind is VerdictKind.SETTLE else None
    comment = answers.comment if answers else json.loads(row.body).get("comment")
    return LeadRow(
        seq=row.seq,
        at=row.at,
        by=row.account_id,
        kind=kind,
        pair_id=row.pair_id,
        category=row.category,
        severity=row.severity,
        level=row.stage,
        answers=answers,
        comment=comment,
        gone=row.gone,
    )


def _append(
    connection: sa.Connection,
    kind: VerdictKind,
    account_id: str,
    pair_id: str,
    body: Mapping[str, object],
    now: float,
) -> int:
    item = tables.item
    gone = connection.scalar(sa.select(item.c.gone).where(item.c.pair_id == pair_id))
    if gone:
        raise ReviewError(
            f"pair {pair_id} is no longer in the data set, so nobody could settle it; its verdicts "
            "are kept: if they removed it, publish without --verdicts, start the review on that "
            "data set with --update, then open it again"
        )
    text = json.dumps(body, sort_keys=True)
    return verdicts.append(
        connection, kind, account_id=account_id, pair_id=pair_id, body=text, now=now
    )


def _before(connection: sa.Connection, opened: int | None) -> Marks:
    """Return the marks that an opening took away."""
    verdict = tables.verdict
    text = connection.scalar(sa.select(verdict.c.body).where(verdict.c.seq == opened))
    of = marks.reopened(str(text))
    if of is None:
        return UNMARKED
    kind = connection.scalar(sa.select(verdict.c.kind).where(verdict.c.seq == of))
    return Marks(settled=of) if kind == VerdictKind.SETTLE else Marks(aside=of)


def _check_agreed(connection: sa.Connection, pair_id: str) -> None:
    """Check that there are verdicts on a pair, and that it is no dispute already."""
    item = tables.item
    row = connection.execute(
        sa.select(item.c.decided, item.c.gold).where(item.c.pair_id == pair_id)
    ).one()
    if not row.decided:
        mends = (
            "give it another known answer with 'nsfwcaps review gold FILE'"
            if row.gold
            else "it waits in the queue"
        )
        raise ReviewError(
            f"nobody has judged pair {pair_id}, so there is no verdict to doubt; {mends}"
        )
    if is_disputed(connection, pair_id):
        raise ReviewError(_ALREADY.format(pair_id))
