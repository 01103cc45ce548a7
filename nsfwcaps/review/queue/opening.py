"""Starting or resuming the review of a data set."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nsfwcaps.errors import ReviewError
from nsfwcaps.review.chain import links, noted, rows, state
from nsfwcaps.review.database import Database, get_meta, set_meta
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue import filling
from nsfwcaps.review.queue import policy as policies
from nsfwcaps.review.queue.filling import FilledQueue
from nsfwcaps.review.queue.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An opened review."""

    policy: Policy
    queued: int
    """Number of pairs in the data set."""
    filled: FilledQueue


def open_review(
    database: Database,
    pairs: ReviewPairs,
    given: Mapping[str, Any] | None = None,
    *,
    update: bool = False,
    seed: int = 0,
) -> Opened:
    """Start or resume the review of a data set; `given` overrides policy values.

    Raises:
        ReviewError: the database reviews other data, is older than the data set, or was changed
            from outside; or the data set has changed and `update` is not set.
        ConfigError: a policy value is invalid.
    """
    with database.write() as connection:
        kept = get_meta(connection, "policy")
        if kept is None:
            return _begun(connection, pairs, policies.changed(Policy(), given or {}), seed)
        _check_continues(connection, database, pairs)
        before = policies.from_json(kept)
        after = policies.changed(before, given or {})
        filled = FilledQueue(added=0, gone=0, back=0)
        is_other = get_meta(connection, "data") != pairs.digest
        if is_other or after != before:
            _check_untouched(connection, database)
        if is_other:
            _check_known(connection, database, pairs, update=update)
            filled = filling.fill(connection, pairs, after, seed)
            set_meta(connection, "data", pairs.digest)
        _apply(connection, kept, before, after)
        if is_other or after != before:
            state.log_queue(connection, time.time())
        return Opened(policy=after, queued=len(pairs), filled=filled)


def policy_of(connection: sa.Connection) -> Policy:
    """Return the current policy.

    Raises:
        ReviewError: the database contains no review.
    """
    kept = get_meta(connection, "policy")
    if kept is None:
        raise ReviewError(
            "the database contains no review; start one with 'nsfwcaps review --data RUN'"
        )
    return policies.from_json(kept)


def check_data(connection: sa.Connection, pairs: ReviewPairs) -> None:
    """Check that the data set is still the one under review.

    Raises:
        ReviewError: it has changed.
    """
    if not pairs.is_unchanged() or get_meta(connection, "data") != pairs.digest:
        raise ReviewError(
            "the data set has changed during this review; all decisions are kept. "
            "Run 'nsfwcaps review --data RUN' again: it says whether --update is needed"
        )


def _begun(connection: sa.Connection, pairs: ReviewPairs, policy: Policy, seed: int) -> Opened:
    review_id = secrets.token_hex(16)
    set_meta(connection, "review_id", review_id)
    set_meta(connection, "policy", policy.as_json())
    set_meta(connection, "data", pairs.digest)
    rows.begin_log(connection, review_id)
    filled = filling.fill(connection, pairs, policy, seed)
    state.begin(connection, time.time())
    return Opened(policy=policy, queued=len(pairs), filled=filled)


def _apply(
    connection: sa.Connection, kept: Mapping[str, Any], before: Policy, after: Policy
) -> None:
    if after == before:
        return
    values = after.as_json()
    changed = {name: value for name, value in values.items() if kept.get(name) != value}
    state.log_policy(connection, changed, time.time())
    set_meta(connection, "policy", values)
    if after.overlap != before.overlap:
        filling.set_overlap(connection, after.overlap)
    if after.severity != before.severity:
        filling.set_severities(connection, after)


def _check_continues(connection: sa.Connection, database: Database, pairs: ReviewPairs) -> None:
    """Check that the database is no older copy than the one the data set was published from.

    Raises:
        ReviewError: it is, or its log was rewritten.
    """
    head = noted.of_data_set(pairs.folder)
    first = links.genesis(get_meta(connection, "review_id"))
    if head is None or head.first != first:  # published from another review, or from none
        return
    wrong = noted.lacks(rows.links(connection), first, head)
    if wrong:
        raise ReviewError(
            f"{database.name}: {pairs.folder} was published from row {head.rows} of this review, "
            f"and {wrong}. Name the latest database with --db; after restoring a backup, say so "
            f"with 'nsfwcaps review restored --db DB --noted {head.rows}:{head.hash}'"
        )


def _check_untouched(connection: sa.Connection, database: Database) -> None:
    """Check that what is about to be logged as a change does not hide another one.

    Raises:
        ReviewError: policy, roles or queue differ from the log.
    """
    wrong = state.differences(connection, state.logged(rows.links(connection, *state.KINDS)))
    if wrong:
        raise ReviewError(
            f"{database.name}: {wrong[0]}. Nothing was written; restore the latest backup "
            "('nsfwcaps review verify' lists all faults)"
        )


def _check_known(
    connection: sa.Connection, database: Database, pairs: ReviewPairs, *, update: bool
) -> None:
    """Check whether a changed data set can be accepted.

    The same pairs are accepted, whatever else has changed; other pairs only with `update`.

    Raises:
        ReviewError: it cannot.
    """
    known = filling.known_ids(connection)
    new = sum(pair_id not in known for pair_id in pairs.ids)
    gone = sum(not was_gone and pair_id not in pairs for pair_id, was_gone in known.items())
    if new == len(pairs):
        raise ReviewError(
            f"{database.name} reviews another data set: it contains none of the {len(pairs)} pairs "
            f"of {pairs.folder}; pass another file with --db"
        )
    if (new or gone) and not update:
        raise ReviewError(
            f"the data set has changed since {database.name} was created (new pairs: {new}, gone: "
            f"{gone}); add --update to queue the new pairs. Verdicts on gone pairs are kept"
        )
