"""Policy, accounts and queue as the log has them, and whether the tables agree.

Rows of three kinds, about no pair:

    policy     {"policy": {name: value}}, of what changed, or {"guidelines": digest}
    account    {"accounts": {pseudonym: {"role": …, "disabled": …}}}, of what changed
    queue      {"data": digest, "pairs": number, "columns": {name: digest}}, of the whole queue

The log of a review begins with a row of each ("begins" in the first). A review begun by an earlier
version logs them once, when it is brought up to date. Names and passwords are in no row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from nsfwcaps.review import tables
from nsfwcaps.review.chain.links import Link
from nsfwcaps.review.chain.rows import COMMAND_LINE, VerdictKind, append
from nsfwcaps.review.meta import get_meta

KINDS = (VerdictKind.POLICY, VerdictKind.ACCOUNT, VerdictKind.QUEUE)

Values = dict[str, Any]

# What `nsfwcaps review` sets for a pair; the other columns follow from the rest of the log.
_COLUMNS = {
    "pair_id": "its pairs",
    "position": "their order",
    "reason": "reasons",
    "category": "categories",
    "severity": "severities",
    "stage": "stages",
    "needed": "how many must judge a pair",
    "gone": "which pairs are gone",
}


@dataclass
class Logged:
    """The state that the rows read so far add up to."""

    covered_from: int | None = None
    """Number of the first row with the state; None before it."""
    policy: Values = field(default_factory=dict)
    guidelines: str | None = None
    """Digest of the guidelines that people were given; None if none were logged."""
    accounts: dict[str, Values] = field(default_factory=dict)
    queue: Values = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def read(self, link: Link) -> None:
        """Take in a row of one of the three kinds."""
        try:
            body = json.loads(link.body)
            if body.get("begins"):
                self._begin(link.seq)
            self.policy.update(body.get("policy", {}))
            self.guidelines = body.get("guidelines", self.guidelines)
            for account_id, values in body.get("accounts", {}).items():
                self.accounts.setdefault(account_id, {}).update(values)
            if link.kind == VerdictKind.QUEUE:
                self.queue = body
        except (ValueError, TypeError, AttributeError):
            self.faults.append(f"row {link.seq} cannot be read")

    def _begin(self, seq: int) -> None:
        if self.covered_from is not None:
            self.faults.append(f"row {seq} logs the whole state a second time")
        self.covered_from = seq

    def is_lead(self, account_id: str) -> bool:
        """Whether an account is an enabled lead after the rows read so far."""
        values = self.accounts.get(account_id, {})
        return values.get("role") == "lead" and values.get("disabled") is False


def begin(connection: sa.Connection, now: float) -> None:
    """Log the whole present state: when a review begins, or is brought up to date."""
    body = {"begins": True, "policy": get_meta(connection, "policy")}
    _append(connection, VerdictKind.POLICY, COMMAND_LINE, body, now)
    people = _accounts(connection)
    if people:
        _append(connection, VerdictKind.ACCOUNT, COMMAND_LINE, {"accounts": people}, now)
    log_queue(connection, now)


def has_begun(connection: sa.Connection) -> bool:
    """Whether there is a review, and so a log."""
    return get_meta(connection, "review_id") is not None


def log_policy(connection: sa.Connection, changed: Mapping[str, Any], now: float) -> None:
    """Log the policy values that are being set."""
    _append(connection, VerdictKind.POLICY, COMMAND_LINE, {"policy": dict(changed)}, now)


def log_guidelines(connection: sa.Connection, now: float) -> None:
    """Log a digest of the guidelines as they are now."""
    if has_begun(connection):
        body = {"guidelines": _guidelines(connection)}
        _append(connection, VerdictKind.POLICY, COMMAND_LINE, body, now)


def log_account(
    connection: sa.Connection, account_id: str, changed: Mapping[str, Any], by: str, now: float
) -> None:
    """Log the role of an account, whether it is disabled, or both; `by` is who sets them.

    Before a review has begun there is no log; it begins with the accounts that there are.
    """
    if has_begun(connection):
        body = {"accounts": {account_id: dict(changed)}}
        _append(connection, VerdictKind.ACCOUNT, by, body, now)


def log_queue(connection: sa.Connection, now: float) -> None:
    """Log digests of the queue as it is now."""
    _append(connection, VerdictKind.QUEUE, COMMAND_LINE, _queue(connection), now)


def logged(links: Iterable[Link]) -> Logged:
    """Return the state after all rows; other kinds are skipped."""
    found = Logged()
    for link in links:
        if link.kind in KINDS:
            found.read(link)
    return found


def differences(connection: sa.Connection, found: Logged) -> list[str]:
    """List what in the tables differs from the state in the log."""
    if found.covered_from is None:
        return ["the log lacks the state of the review; a row was removed"]
    wrong = []
    if get_meta(connection, "policy") != found.policy:
        wrong.append("the policy (meta.policy)")
    # Earlier versions had no guidelines, so a log without a row of them began without.
    if _guidelines(connection) != (found.guidelines or _digest(None)):
        wrong.append("the guidelines (meta.guidelines)")
    people = _accounts(connection)
    other = sorted(
        account_id
        for account_id in {*people, *found.accounts}
        if people.get(account_id) != found.accounts.get(account_id)
    )
    if other:
        more = f" and {len(other) - 3} more" if len(other) > 3 else ""
        wrong.append(f"roles or accounts ({', '.join(other[:3])}{more})")
    wrong += _queue_differences(_queue(connection), found.queue)
    return [f"{what}: does not match the log; the table was changed" for what in wrong]


def _queue_differences(now: Values, then: Values) -> list[str]:
    if now == then:
        return []
    wrong = []
    if now["data"] != then.get("data"):
        wrong.append("the digest of the data set (meta.data)")
    columns = then.get("columns", {})
    named = [f"{_COLUMNS[name]} (item.{name})" for name in _COLUMNS
             if now["columns"][name] != columns.get(name)]  # fmt: skip
    # A row more or less changes every column.
    if now["columns"]["pair_id"] != columns.get("pair_id"):
        named = [f"{_COLUMNS['pair_id']} (item.pair_id)"]
    return wrong + [f"the queue, {what}" for what in named]


def _guidelines(connection: sa.Connection) -> str:
    return _digest(get_meta(connection, "guidelines"))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _accounts(connection: sa.Connection) -> dict[str, Values]:
    account = tables.account.c
    rows = connection.execute(sa.select(account.account_id, account.role, account.disabled))
    return {row.account_id: {"role": row.role, "disabled": row.disabled} for row in rows}


def _queue(connection: sa.Connection) -> Values:
    rows = connection.execute(sa.select(*(tables.item.c[name] for name in _COLUMNS))).all()
    # Sorted here: databases order text differently.
    columns = [*zip(*sorted(rows, key=lambda row: str(row[0])), strict=True)]
    columns = columns or [()] * len(_COLUMNS)
    return {
        "data": get_meta(connection, "data"),
        "pairs": len(rows),
        "columns": {
            name: hashlib.sha256(json.dumps(column, default=repr).encode()).hexdigest()
            for name, column in zip(_COLUMNS, columns, strict=True)
        },
    }


def _append(
    connection: sa.Connection, kind: VerdictKind, by: str, body: Mapping[str, Any], now: float
) -> None:
    text = json.dumps(body, sort_keys=True, ensure_ascii=True)
    append(connection, kind, account_id=by, pair_id="", body=text, now=now)
