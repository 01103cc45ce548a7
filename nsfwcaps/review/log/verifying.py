"""Checks of the log: its chain, and whether everything that is derived from it follows from it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.chain import links as chain
from nsfwcaps.review.chain import noted as notes
from nsfwcaps.review.chain import rows, state
from nsfwcaps.review.chain.links import Link
from nsfwcaps.review.chain.noted import NotedHead
from nsfwcaps.review.chain.rows import VerdictKind
from nsfwcaps.review.chain.state import Logged
from nsfwcaps.review.log.marks import OF, MarkedPairs
from nsfwcaps.review.meta import get_meta

_KNOWN = frozenset(kind.value for kind in VerdictKind)
# Only an enabled lead writes these.
_LEADS = {
    VerdictKind.SETTLE: "settles a pair",
    VerdictKind.GOLD: "records a known answer",
    VerdictKind.REOPEN: "opens a pair again",
    VerdictKind.ASIDE: "sets a pair aside",
    VerdictKind.RESTORE: "says that a backup was restored",
}

_MARKS = {
    "settled": "the leads' decisions",
    "aside": "the leads' disputes set aside",
    "opened": "the leads' openings",
}


def verify(connection: sa.Connection, noted: tuple[int, str] | None = None) -> list[str]:
    """List faults in the log and in the tables derived from it; empty if there are none.

    Args:
        connection: a read transaction.
        noted: number and hash of a row, as noted at an earlier time.

    Raises:
        ReviewError: the log has rows of a later version.
    """
    links = list(rows.links(connection))
    found = list(chain.faults(links, _first(connection), rows.head_of(connection)))
    # A row that was changed may be of any kind.
    if not found:
        check_kinds(links)
    if noted is not None:
        missing = lacks(connection, NotedHead(rows=noted[0], hash=noted[1]))
        found += [missing] if missing else []
    return found + _unfounded(connection, links)


def lacks(connection: sa.Connection, noted: NotedHead) -> str | None:
    """Say why the log does not continue from a noted head; None if it does."""
    return notes.lacks(rows.links(connection), _first(connection), noted)


def excuse(connection: sa.Connection, account_id: str, noted: NotedHead, now: float) -> int:
    """Log that a backup was restored and a noted row lost; return the new row's number.

    Raises:
        ReviewError: the log continues from that row, or is that of another review.
    """
    if noted.first not in (None, _first(connection)):
        raise ReviewError("the noted row is of another review; nothing was written")
    if lacks(connection, noted) is None:
        raise ReviewError(
            f"nothing is lost: the log continues from the noted row {noted.rows}, or a row says "
            "already that it was lost; nothing was written"
        )
    body = notes.excuse(noted)
    return rows.append(
        connection, VerdictKind.RESTORE, account_id=account_id, pair_id="", body=body, now=now
    )


def check_kinds(links: Iterable[Link]) -> None:
    """Check that this version knows the kind of every row.

    Raises:
        ReviewError: a later version of nsfwcaps wrote one.
    """
    for link in links:
        if link.kind not in _KNOWN:
            raise ReviewError(
                f"row {link.seq} of the log is of a kind that this version of nsfwcaps does not "
                "know; a later version wrote it: update nsfwcaps"
            )


def covered_from(connection: sa.Connection) -> int | None:
    """Return the first row from which the log covers policy, roles and queue; None: none."""
    return state.logged(rows.links(connection, *state.KINDS)).covered_from


def restored(connection: sa.Connection) -> list[tuple[int, NotedHead]]:
    """List the rows that say that a backup was restored, with the head that was lost."""
    found = []
    for link in rows.links(connection, VerdictKind.RESTORE):
        lost = notes.parse(json.loads(link.body)["lost"])
        if lost is not None:
            found.append((link.seq, lost))
    return found


def _first(connection: sa.Connection) -> str:
    return chain.genesis(get_meta(connection, "review_id"))


class _Replay:
    """What holds after the rows read so far."""

    def __init__(self) -> None:
        self.holds: dict[tuple[str, str], Link] = {}
        self.marked = MarkedPairs()
        self.gold: dict[str, str] = {}
        self.logged = Logged()
        self.faults: list[str] = []

    def read(self, link: Link) -> None:
        what = _LEADS.get(VerdictKind(link.kind)) if link.kind in _KNOWN else None
        covered = self.logged.covered_from is not None
        if what and covered and not self.logged.is_lead(link.account_id):
            self.faults.append(f"row {link.seq} {what}, but {link.account_id} was not a lead then")
        match link.kind:
            case VerdictKind.JUDGE:
                self._judge(link, covered)
            case VerdictKind.UNDO:
                self._undo(link)
            case VerdictKind.SETTLE:
                self.marked.settle(link.pair_id, link.seq)
            case VerdictKind.ASIDE:
                self.marked.set_aside(link.pair_id, link.seq)
            case VerdictKind.REOPEN:
                self.marked.reopen(link.pair_id, link.seq, _body(link).get(OF))
            case VerdictKind.GOLD:
                self.gold[link.pair_id] = link.body
            case VerdictKind.POLICY | VerdictKind.ACCOUNT | VerdictKind.QUEUE:
                self.logged.read(link)

    def _judge(self, link: Link, covered: bool) -> None:
        key = (link.account_id, link.pair_id)
        if key in self.holds:
            self.faults.append(f"row {link.seq} is a second verdict of one person on one pair")
        if covered and link.account_id not in self.logged.accounts:
            self.faults.append(f"row {link.seq} is a verdict of {link.account_id}, an account that "
                               "was not there then")  # fmt: skip
        self.holds[key] = link

    def _undo(self, link: Link) -> None:
        undone = self.holds.pop((link.account_id, link.pair_id), None)
        if undone is None or _body(link).get("undoes") != undone.seq:
            self.faults.append(f"row {link.seq} undoes a verdict that did not hold")


def _unfounded(connection: sa.Connection, links: Iterable[Link]) -> list[str]:
    """List derived tables that contradict the log, and rows that contradict those before."""
    replay = _Replay()
    for link in links:
        replay.read(link)
    wrong = [f"{what}: does not match the log; the table was changed"
             for what in _wrong_tables(connection, replay)]  # fmt: skip
    logged = replay.logged
    return [*replay.faults, *logged.faults, *wrong, *state.differences(connection, logged)]


def _wrong_tables(connection: sa.Connection, replay: _Replay) -> Iterator[str]:
    decision, item = tables.decision, tables.item
    found = connection.execute(sa.select(decision.c.account_id, decision.c.pair_id, decision.c.seq))
    holds = {key: link.seq for key, link in replay.holds.items()}
    if {(account, pair): seq for account, pair, seq in found} != holds:
        yield "the current verdicts (decision)"
    names = ("pair_id", "gold", "decided", "asked", *_MARKS)
    marks = connection.execute(sa.select(*(item.c[name] for name in names))).all()
    if _set(marks, "decided", 0) != Counter(pair_id for _, pair_id in holds):
        yield "the number of verdicts per pair (item.decided)"
    asks = Counter(
        link.pair_id for link in replay.holds.values() if _body(link).get("ask_lead") is True
    )
    if _set(marks, "asked", 0) != asks:
        yield "the number of verdicts that ask the lead (item.asked)"
    for name, what in _MARKS.items():
        if _set(marks, name, None) != _marked(replay.marked, name):
            yield f"{what} (item.{name})"
    if _set(marks, "gold", None) != replay.gold:
        yield "the known answers (item.gold)"


def _set(marks: Iterable[Any], name: str, unset: Any) -> dict[str, Any]:
    """Return a column by pair, where it is set."""
    values = ((mark.pair_id, getattr(mark, name)) for mark in marks)
    return {pair_id: value for pair_id, value in values if value != unset}


def _marked(marked: MarkedPairs, name: str) -> dict[str, int]:
    rows = ((pair_id, getattr(marks, name)) for pair_id, marks in marked.marks.items())
    return {pair_id: row for pair_id, row in rows if row is not None}


def _body(link: Link) -> dict[str, Any]:
    try:
        found: Any = json.loads(link.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
