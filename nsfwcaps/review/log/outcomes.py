"""What becomes of each pair, from what holds now: the verdicts on it, and what leads wrote down."""

from __future__ import annotations

import enum
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from nsfwcaps.captions.normalize import normalize
from nsfwcaps.review import tables
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.log.verdicts import VerdictKind

Body = dict[str, Any]
"""Answers as the log has them."""


class PairState(enum.StrEnum):
    """How far a pair is."""

    PENDING = "pending"
    """Fewer people than needed have judged it."""
    AGREED = "agreed"
    DISPUTED = "disputed"
    SETTLED = "settled"
    """By a lead."""
    KNOWN = "known"
    """By an answer that a lead wrote down beforehand."""


class VerdictRow(NamedTuple):
    """A row of the log that speaks for or against a pair."""

    seq: int
    by: str
    """Pseudonym of an account."""
    at: str
    kind: str
    choice: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a pair so far. What nobody decided, or people differ on, is None."""

    pair_id: str
    state: PairState
    choice: Choice | None
    category: str | None
    """`right`, or the category that it should be."""
    meaning: float | None
    """1 nothing to 5 all of it is kept: the median of the verdicts, or the lead's mark."""
    safe_caption: str | None
    """As it should read, where it should change."""
    unsafe_caption: str | None
    rows: tuple[VerdictRow, ...]
    level: str
    reason: str
    of_category: str
    """The category that the data set gives."""
    gone: bool
    """The data set has it no more."""


def outcomes(connection: sa.Connection, *, touched_only: bool = False) -> list[Outcome]:
    """Outcomes of all pairs that were ever queued, in their order in the queue.

    `touched_only` leaves out those that nobody has judged, settled or written the answer of: all
    of them are pending.
    """
    bodies = Bodies()
    said: defaultdict[str, list[tuple[VerdictRow, Body]]] = defaultdict(list)
    for query in (_decisions(), _known(), _settled()):
        for pair_id, seq, by, at, kind, text in connection.execute(query):
            body = bodies[text]
            said[pair_id].append((VerdictRow(seq, by, at, kind, body["choice"]), body))
    items = connection.execute(_items(touched_only=touched_only))
    return [_outcome(item, said.get(item.pair_id, [])) for item in items]


class Bodies(dict[str, Body]):
    """Answers by their JSON. Few differ, so each is read once: reading takes most of the time."""

    def __missing__(self, text: str) -> Body:
        body: Body = json.loads(text)
        self[text] = body
        return body


def agreed(bodies: Sequence[Body]) -> bool:
    """Whether verdicts choose the same, and fix captions in the same way.

    >>> agreed([{"choice": "accept"}, {"choice": "accept", "meaning": 3}])
    True
    >>> agreed([{"choice": "fix", "safe_caption": "a  cup"}, {"choice": "fix"}])
    False
    """
    return len({(body.get("choice"), *_fixed(body)) for body in bodies}) == 1


def _outcome(item: Any, said: Sequence[tuple[VerdictRow, Body]]) -> Outcome:
    """Outcome of an item of the queue, of which this was said: by leads last."""
    state = _state(item.needed, said)
    deciding: Sequence[Body] = []
    if state is PairState.AGREED:
        deciding = [body for _, body in said]
    elif state in (PairState.SETTLED, PairState.KNOWN):
        deciding = [said[-1][1]]
    last = deciding[-1] if deciding else {}
    safe, unsafe = _fixed(last)
    categories = {body.get("category") for body in deciding}
    marks = [body["meaning"] for body in deciding if "meaning" in body]
    return Outcome(
        pair_id=item.pair_id,
        state=state,
        choice=Choice(last["choice"]) if last else None,
        category=categories.pop() if len(categories) == 1 else None,
        meaning=_median(marks),
        safe_caption=safe,
        unsafe_caption=unsafe,
        rows=tuple(row for row, _ in said),
        level=item.stage,
        reason=item.reason,
        of_category=item.category,
        gone=item.gone,
    )


def _median(marks: Sequence[int]) -> float | None:
    ordered = sorted(marks)  # two or three: statistics.median takes ten times as long
    count = len(ordered)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2 if count else None


def _state(needed: int, said: Sequence[tuple[VerdictRow, Body]]) -> PairState:
    if not said:
        return PairState.PENDING
    kind = said[-1][0].kind
    if kind != VerdictKind.JUDGE:
        return PairState.SETTLED if kind == VerdictKind.SETTLE else PairState.KNOWN
    if len(said) < needed:
        return PairState.PENDING
    return PairState.AGREED if agreed([body for _, body in said]) else PairState.DISPUTED


def _fixed(body: Body) -> tuple[str | None, str | None]:
    """New captions of a verdict that fixes any, normalised."""
    if body.get("choice") != Choice.FIX:
        return None, None
    safe, unsafe = (normalize(body.get(name) or "") for name in ("safe_caption", "unsafe_caption"))
    return safe or None, unsafe or None


def touched() -> sa.ColumnElement[bool]:
    """Condition on an item: somebody has said something of it."""
    item = tables.item
    return sa.or_(item.c.decided > 0, item.c.settled.is_not(None), item.c.gold.is_not(None))


def _items(*, touched_only: bool) -> sa.Select[Any]:
    item = tables.item
    query = sa.select(
        *(item.c.pair_id, item.c.needed, item.c.stage, item.c.reason, item.c.category, item.c.gone)
    ).order_by(item.c.position)
    return query.where(touched()) if touched_only else query


def _decisions() -> sa.Select[Any]:
    """Verdicts that hold now, by number."""
    decision, verdict = tables.decision, tables.verdict
    return _rows().join(decision, decision.c.seq == verdict.c.seq).order_by(verdict.c.seq)


def _known() -> sa.Select[Any]:
    """Known answers: of each pair the last one."""
    verdict = tables.verdict
    last = (
        sa.select(sa.func.max(verdict.c.seq))
        .where(verdict.c.kind == VerdictKind.GOLD.value)
        .group_by(verdict.c.pair_id)
    )
    return _rows().where(verdict.c.seq.in_(last))


def _settled() -> sa.Select[Any]:
    """What leads settled, also where the answer was known: that came on purpose."""
    item = tables.item
    return _rows().join(item, item.c.settled == tables.verdict.c.seq)


def _rows() -> sa.Select[Any]:
    row = tables.verdict.c
    return sa.select(row.pair_id, row.seq, row.account_id, row.at, row.kind, row.body)
