"""Comments of annotators on pairs that are not in dispute, for leads, without names."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.log.adjudication import letters, marks_of, require_lead
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.log.marks import Marks
from nsfwcaps.review.log.outcomes import Outcome, PairState, outcomes

_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Comment:
    """One annotator's comment, under a letter that is assigned per pair."""

    letter: str
    choice: str
    text: str


@dataclass(frozen=True, kw_only=True)
class CommentedPair:
    """A pair with comments, newest first."""

    pair_id: str
    category: str
    severity: int
    level: str
    comments: tuple[Comment, ...]
    """Empty if they are withheld."""
    withheld: bool
    """The lead may still be given this pair to judge, blind to what others said."""
    state: PairState
    choice: Choice | None
    """What became of the pair; None while undecided."""
    gone: bool
    row: int | None
    """The lead's row that counts, for `reopening.reopen`."""


def comments(
    connection: sa.Connection, account_id: str, limit: int | None = None
) -> list[CommentedPair]:
    """List the pairs outside disputes that annotators commented on, the newest comment first.

    Comments on a pair that the lead may still be given to judge are withheld, until `read_early`.
    """
    rows = connection.execute(_commented()).all()
    if not rows:
        return []
    became = {found.pair_id: found for found in outcomes(connection, touched_only=True)}
    grouped: dict[str, list[Any]] = {}
    for row in rows:  # newest first
        if became[row.pair_id].state is not PairState.DISPUTED:
            grouped.setdefault(row.pair_id, []).append(row)
    shown = dict(itertools.islice(grouped.items(), limit))
    judges = _judges(connection, list(shown))
    done = _done(connection, account_id)
    return [
        _pair(group, became[pair_id], judges[pair_id], withheld=_is_blind(became[pair_id], done))
        for pair_id, group in shown.items()
    ]


def read_early(connection: sa.Connection, account_id: str, pair_id: str, now: float) -> None:
    """Leave a pair to other annotators, so that a lead may read what was said about it.

    Raises:
        ReviewError: the account is not a lead, the pair is not in the review, or the lead has it
            open.
    """
    require_lead(connection, account_id)
    marks_of(connection, pair_id)  # is it in the review?
    held, skip = tables.reservation, tables.skip
    query = sa.select(held.c.pair_id).where(held.c.account_id == account_id)
    if connection.scalar(query) == pair_id:
        raise ReviewError(f"you have pair {pair_id} open on the page Judge; finish it there first")
    there = sa.select(skip.c.pair_id).where(
        skip.c.account_id == account_id, skip.c.pair_id == pair_id
    )
    if connection.scalar(there) is None:
        row = {"account_id": account_id, "pair_id": pair_id, "at": now}
        connection.execute(sa.insert(skip).values(**row))


def _commented() -> sa.Select[Any]:
    """Select current verdicts with a comment, newest first."""
    item, decision, verdict = tables.item, tables.decision, tables.verdict
    return (
        sa.select(
            *(item.c.pair_id, item.c.category, item.c.severity, item.c.stage),
            *(item.c.settled, item.c.aside, item.c.opened),
            *(verdict.c.account_id, verdict.c.body),
        )
        .join(decision, decision.c.pair_id == item.c.pair_id)
        .join(verdict, verdict.c.seq == decision.c.seq)
        .where(verdict.c.body.contains('"comment": "', autoescape=True))
        .order_by(verdict.c.seq.desc())
    )


def _judges(connection: sa.Connection, pair_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return who judged each pair; letters are then those of Disputes."""
    decision = tables.decision
    found: defaultdict[str, list[str]] = defaultdict(list)
    for part in range(0, len(pair_ids), _AT_ONCE):
        some = pair_ids[part : part + _AT_ONCE]
        rows = connection.execute(
            sa.select(decision.c.pair_id, decision.c.account_id).where(decision.c.pair_id.in_(some))
        )
        for row in rows:
            found[row.pair_id].append(row.account_id)
    return found


def _done(connection: sa.Connection, account_id: str) -> set[str]:
    """Return the pairs that an account judged or skipped, and so is not given again."""
    both = (
        sa.select(table.c.pair_id).where(table.c.account_id == account_id)
        for table in (tables.decision, tables.skip)
    )
    return set(connection.scalars(sa.union(*both)))


def _is_blind(found: Outcome, done: set[str]) -> bool:
    """Whether a lead who has `done` these pairs may still be given this one."""
    given = found.state in (PairState.PENDING, PairState.KNOWN) and not found.gone
    return given and found.pair_id not in done


def _pair(
    group: Sequence[Any], found: Outcome, judges: Sequence[str], *, withheld: bool
) -> CommentedPair:
    first = group[0]
    names = letters(found.pair_id, judges)
    said = [(names[row.account_id], json.loads(row.body)) for row in group]
    return CommentedPair(
        pair_id=found.pair_id,
        category=first.category,
        severity=first.severity,
        level=first.stage,
        comments=()
        if withheld
        else tuple(
            Comment(letter=letter, choice=body["choice"], text=body["comment"])
            for letter, body in said
            if body.get("comment")
        ),
        withheld=withheld,
        state=found.state,
        choice=found.choice,
        gone=found.gone,
        row=Marks(settled=first.settled, aside=first.aside, opened=first.opened).row,
    )
