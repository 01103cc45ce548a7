"""Outcome of each pair, from current verdicts and adjudications."""

from __future__ import annotations

import enum
import functools
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from nsfwcaps.captions.normalize import normalize
from nsfwcaps.review import tables
from nsfwcaps.review.log.answers import RIGHT, Choice, named_category
from nsfwcaps.review.log.verdicts import VerdictKind

Body = dict[str, Any]
"""Answers as stored in the log."""

_FIX, _REJECT = Choice.FIX.value, Choice.REJECT.value
_normal = functools.lru_cache(maxsize=2**16)(normalize)  # each caption is compared again and again


class PairState(enum.StrEnum):
    """Review state of a pair."""

    PENDING = "pending"
    """Fewer people than needed have judged the pair."""
    AGREED = "agreed"
    DISPUTED = "disputed"
    SETTLED = "settled"
    """Decided by a lead."""
    KNOWN = "known"
    """Decided by a known answer that a lead recorded in advance."""


class VerdictRow(NamedTuple):
    """A log row that bears on a pair's outcome."""

    seq: int
    by: str
    """Pseudonym of the account."""
    at: str
    """UTC day: outcomes are published, and times of a day would show how a person works."""
    kind: str
    choice: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Outcome of a pair so far; None where undecided or disputed."""

    pair_id: str
    state: PairState
    choice: Choice | None
    category: str | None
    """`right`, or the correct category."""
    meaning: float | None
    """From 1 (nothing kept) to 5 (all kept): median of the verdicts, or the lead's rating."""
    safe_caption: str | None
    """The corrected caption, if it needs a change."""
    unsafe_caption: str | None
    rows: tuple[VerdictRow, ...]
    level: str
    reason: str
    of_category: str
    """The category in the data set."""
    gone: bool
    """No longer in the data set."""


def outcomes(connection: sa.Connection, *, touched_only: bool = False) -> list[Outcome]:
    """Return the outcomes of all pairs ever queued, in queue order.

    `touched_only` omits pairs that nobody has judged, settled or given a known answer; all of
    them are pending.
    """
    bodies = Bodies()
    entries: defaultdict[str, list[tuple[VerdictRow, Body]]] = defaultdict(list)
    for query in (_decisions(), _known(), _settled()):
        for pair_id, seq, by, at, kind, text in connection.execute(query):
            body = bodies[text]
            entries[pair_id].append((VerdictRow(seq, by, day_of(at), kind, body["choice"]), body))
    items = connection.execute(_items(touched_only=touched_only))
    return [_outcome(item, entries.get(item.pair_id, [])) for item in items]


class Bodies(dict[str, Body]):
    """Parsed answers by their JSON. Few texts differ, so caching the slow parse pays off."""

    def __missing__(self, text: str) -> Body:
        body: Body = json.loads(text)
        self[text] = body
        return body


def day_of(at: str) -> str:
    """Return the day of a time in the log.

    >>> day_of("2001-09-09T01:46:40.000000+00:00")
    '2001-09-09'
    """
    return at[:10]


def agreed(bodies: Sequence[Body], of_category: str | None = None) -> bool:
    """Whether all verdicts make the same choice, the same fixes and the same corrections.

    Categories are compared where the pair is kept. `of_category` is what `right` means.

    >>> agreed([{"choice": "accept"}, {"choice": "accept", "meaning": 3}])
    True
    >>> agreed([{"choice": "fix", "safe_caption": "a  cup"}, {"choice": "fix"}])
    False
    >>> agreed([{"choice": "accept", "category": name} for name in ("right", "fire")])
    False
    """
    if len({(body.get("choice"), *_fixed(body)) for body in bodies}) != 1:
        return False
    is_kept = bodies[0].get("choice") != _REJECT
    return not is_kept or len(_categories(bodies, of_category)) <= 1


def _categories(bodies: Sequence[Body], of_category: str | None) -> set[str]:
    """Return the categories that verdicts give, by name where `right` has one."""
    named = (named_category(body, of_category) for body in bodies)
    return {name for name in named if name is not None}


def _category(bodies: Sequence[Body], of_category: str) -> str | None:
    """Return the category on which verdicts agree: by name, or `right` if that is the present one.

    People may give the present one by name too, where it was another when they were asked.
    """
    given = _categories(bodies, of_category)
    if len(given) != 1:
        return None
    name = given.pop()
    said = {body.get("category") for body in bodies} - {None}
    return RIGHT if name == of_category and RIGHT in said else name


def _outcome(item: Any, entries: Sequence[tuple[VerdictRow, Body]]) -> Outcome:
    """Return the outcome of a queue item from its log rows, leads' rows last."""
    state = _state(item, entries)
    deciding: Sequence[Body] = []
    if state is PairState.AGREED:
        deciding = [body for _, body in entries]
    elif state in (PairState.SETTLED, PairState.KNOWN):
        deciding = [entries[-1][1]]
    last = deciding[-1] if deciding else {}
    safe, unsafe = _fixed(last)
    marks = [body["meaning"] for body in deciding if "meaning" in body]
    return Outcome(
        pair_id=item.pair_id,
        state=state,
        choice=Choice(last["choice"]) if last else None,
        category=_category(deciding, item.category),
        meaning=_median(marks),
        safe_caption=safe,
        unsafe_caption=unsafe,
        rows=tuple(row for row, _ in entries),
        level=item.stage,
        reason=item.reason,
        of_category=item.category,
        gone=item.gone,
    )


def _median(marks: Sequence[int]) -> float | None:
    ordered = sorted(marks)  # two or three marks: statistics.median takes ten times as long
    count = len(ordered)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2 if count else None


def _state(item: Any, entries: Sequence[tuple[VerdictRow, Body]]) -> PairState:
    if not entries:
        return PairState.PENDING
    kind = entries[-1][0].kind
    if kind == VerdictKind.SETTLE:
        return PairState.SETTLED
    bodies = [body for row, body in entries if row.kind == VerdictKind.JUDGE]
    # A lead doubts it, or an annotator asks: whatever the verdicts and a known answer say.
    doubted = item.opened is not None or item.aside is not None
    if bodies and (doubted or any(body.get("ask_lead") for body in bodies)):
        return PairState.DISPUTED
    if kind != VerdictKind.JUDGE:
        return PairState.KNOWN
    if len(bodies) < item.needed:
        return PairState.PENDING
    return PairState.AGREED if agreed(bodies, item.category) else PairState.DISPUTED


def _fixed(body: Body) -> tuple[str | None, str | None]:
    """Return the normalised new captions of a verdict that fixes any."""
    if body.get("choice") != _FIX:
        return None, None
    safe, unsafe = (_normal(body.get(name) or "") for name in ("safe_caption", "unsafe_caption"))
    return safe or None, unsafe or None


def touched() -> sa.ColumnElement[bool]:
    """SQL condition: the item was judged, settled or given a known answer."""
    item = tables.item
    return sa.or_(item.c.decided > 0, item.c.settled.is_not(None), item.c.gold.is_not(None))


def _items(*, touched_only: bool) -> sa.Select[Any]:
    item = tables.item
    query = sa.select(
        *(item.c.pair_id, item.c.needed, item.c.stage, item.c.reason, item.c.category),
        *(item.c.gone, item.c.opened, item.c.aside),
    ).order_by(item.c.position)
    return query.where(touched()) if touched_only else query


def _decisions() -> sa.Select[Any]:
    """Select current verdicts, by row number."""
    decision, verdict = tables.decision, tables.verdict
    return _rows().join(decision, decision.c.seq == verdict.c.seq).order_by(verdict.c.seq)


def _known() -> sa.Select[Any]:
    """Select the latest known answer of each pair."""
    verdict = tables.verdict
    last = (
        sa.select(sa.func.max(verdict.c.seq))
        .where(verdict.c.kind == VerdictKind.GOLD.value)
        .group_by(verdict.c.pair_id)
    )
    return _rows().where(verdict.c.seq.in_(last))


def _settled() -> sa.Select[Any]:
    """Select decisions of leads. They override known answers, so they come last."""
    item = tables.item
    return _rows().join(item, item.c.settled == tables.verdict.c.seq)


def _rows() -> sa.Select[Any]:
    row = tables.verdict.c
    return sa.select(row.pair_id, row.seq, row.account_id, row.at, row.kind, row.body)
