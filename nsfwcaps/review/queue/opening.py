"""Beginning a review of a data set, and opening it again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nsfwcaps.errors import ReviewError
from nsfwcaps.review.database import Database, get_meta, set_meta
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue import policy as policies
from nsfwcaps.review.queue import queue
from nsfwcaps.review.queue.policy import Policy
from nsfwcaps.review.queue.queue import FilledQueue


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A review that is ready."""

    policy: Policy
    queued: int
    """Pairs that the data set has."""
    filled: FilledQueue


def open_review(
    database: Database,
    pairs: ReviewPairs,
    given: Mapping[str, Any] | None = None,
    *,
    update: bool = False,
    seed: int = 0,
) -> Opened:
    """Begin the review of a data set, or go on with it; `given` are rules that change.

    Raises:
        ReviewError: the database is of a review of other data, or the data set has changed and
            `update` does not say that its new pairs shall be queued.
        ConfigError: a rule cannot be.
    """
    with database.write() as connection:
        kept = get_meta(connection, "policy")
        if kept is None:
            return _begun(connection, pairs, policies.changed(Policy(), given or {}), seed)
        before = policies.from_json(kept)
        after = policies.changed(before, given or {})
        filled = FilledQueue(added=0, gone=0, back=0)
        if get_meta(connection, "data") != pairs.digest:
            _check_known(connection, database, pairs, update=update)
            filled = queue.fill(connection, pairs, after, seed)
            set_meta(connection, "data", pairs.digest)
        _apply(connection, before, after)
        return Opened(policy=after, queued=len(pairs), filled=filled)


def policy_of(connection: sa.Connection) -> Policy:
    """The rules as they are now.

    Raises:
        ReviewError: no review was begun here.
    """
    kept = get_meta(connection, "policy")
    if kept is None:
        raise ReviewError("no review was begun in this database; 'nsfwcaps review --data RUN' does")
    return policies.from_json(kept)


def check_data(connection: sa.Connection, pairs: ReviewPairs) -> None:
    """Look whether the data set is still the one that is reviewed.

    Raises:
        ReviewError: it is not.
    """
    if not pairs.is_unchanged() or get_meta(connection, "data") != pairs.digest:
        raise ReviewError(
            "the data set has changed under this review; everything that was decided is kept. "
            "Start 'nsfwcaps review --data RUN' anew: it says if --update is needed"
        )


def _begun(connection: sa.Connection, pairs: ReviewPairs, policy: Policy, seed: int) -> Opened:
    review_id = secrets.token_hex(16)
    set_meta(connection, "review_id", review_id)
    set_meta(connection, "policy", policy.as_json())
    set_meta(connection, "data", pairs.digest)
    verdicts.begin_log(connection, review_id)
    filled = queue.fill(connection, pairs, policy, seed)
    return Opened(policy=policy, queued=len(pairs), filled=filled)


def _apply(connection: sa.Connection, before: Policy, after: Policy) -> None:
    if after == before:
        return
    set_meta(connection, "policy", after.as_json())
    if after.overlap != before.overlap:
        queue.set_overlap(connection, after.overlap)
    if after.severity != before.severity:
        queue.set_severities(connection, after)


def _check_known(
    connection: sa.Connection, database: Database, pairs: ReviewPairs, *, update: bool
) -> None:
    """Look whether a data set that is not as it was may be taken in.

    The same pairs may, whatever else of them has changed; others only where that was asked for.

    Raises:
        ReviewError: it may not.
    """
    known = queue.known_ids(connection)
    new = sum(pair_id not in known for pair_id in pairs.ids)
    gone = sum(not was_gone and pair_id not in pairs for pair_id, was_gone in known.items())
    if new == len(pairs):
        raise ReviewError(
            f"{database.name} is the review of another data set: none of the {len(pairs)} pairs of "
            f"{pairs.folder} is in it; name another file with --db"
        )
    if (new or gone) and not update:
        raise ReviewError(
            f"the data set has changed since {database.name} was begun: new pairs: {new}, gone: "
            f"{gone}. Add --update to queue the new ones; verdicts on those that are gone are kept"
        )
