"""One write of one annotator, and the pair that it is about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review.database import get_meta
from nsfwcaps.review.log import answers as answering
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue import exposure, queue, sessions
from nsfwcaps.review.queue.exposure import Dose, Event
from nsfwcaps.review.queue.policy import SEVERE, Policy
from nsfwcaps.review.queue.queue import Nothing, Reservation, SeverePace
from nsfwcaps.review.queue.sessions import Left, Session

NOT_OPEN = (
    "this pair is no longer open here; you continued in another tab, or a lead changed the pair"
)
_OF_UNSAFE = [question.name for question in answering.QUESTIONS if "unsafe" in question.sides]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One write of one annotator."""

    connection: sa.Connection
    pairs: ReviewPairs
    me: str
    """Account of the annotator."""
    policy: Policy
    now: float

    def session(self) -> Session | None:
        """Return the running session."""
        return sessions.current(self.connection, self.me, self.now)

    def left(self, session: Session | None) -> Left:
        """Return what is left of the caps."""
        return sessions.left(self.connection, self.me, session, self.policy, self.now)

    def held(self) -> Reservation | None:
        """Return the reservation, expired or not."""
        return queue.holding(self.connection, self.me)

    def waits(self, session: Session, held: Reservation) -> bool:
        """Whether the pair held is severe and comes after a pause only."""
        return held.severity >= SEVERE and session.severe_at is not None and held.opened > self.now

    def keep(self, **values: str) -> None:
        """Change columns of the reservation, and renew it."""
        queue.keep_draft(self.connection, self.me, self.policy, self.now, **values)

    def take(self, session: Session, left: Reservation | None = None) -> Reservation | Nothing:
        """Reserve the pair held or the next one."""
        severe_at = session.severe_at
        rested = severe_at is None or self.now >= severe_at + self.policy.severe_pause_minutes * 60
        pace = SeverePace(after_severe=severe_at is not None, rested=rested)
        review_id = get_meta(self.connection, "review_id")
        return queue.take(
            self.connection, self.me, self.policy, self.now, pace, review_id, left=left
        )


def at_work(turn: Turn, token: str) -> tuple[Session, Reservation]:
    """Return the session and the pair that a request refers to.

    Raises:
        ReviewError: the session has ended, or the pair is no longer assigned to the annotator.
    """
    session = turn.session()
    if session is None:
        raise ReviewError("the session has ended; nothing was saved")
    held = turn.held()
    if held is None or held.token != token:
        raise ReviewError(NOT_OPEN)
    if turn.waits(session, held):
        raise ReviewError("this pair comes after a pause; nothing was saved")
    connection, now = turn.connection, turn.now
    if held.expires <= now and not queue.renewed(connection, turn.me, held, turn.policy, now):
        raise ReviewError("your reservation expired and the pair was reassigned")
    return session, held


def leave(turn: Turn, session: Session, held: Reservation, event: Event) -> None:
    """End the work on a pair that was decided on or skipped; reserve the one announced."""
    # Leaving a pair unseen does not count as the pause after a severe one.
    before = None if json.loads(held.revealed) else session.severe_at
    exposure.record(turn.connection, turn.me, _dose(turn, held, event))
    queue.release(turn.connection, turn.me)
    severe_at = turn.now if saw_severe(held) else before
    pairs = session.pairs + 1
    sessions.note(turn.connection, session, turn.now, pairs=pairs, severe_at=severe_at)
    after = replace(session, pairs=pairs, severe_at=severe_at)
    if not turn.left(after).exhausted and turn.pairs.is_unchanged():
        turn.take(after, left=held)


def put_down(turn: Turn, session: Session, held: Reservation) -> Session:
    """End the work on a pair that was neither decided on nor skipped; return the session after."""
    if json.loads(held.revealed):
        exposure.record(turn.connection, turn.me, _dose(turn, held, Event.LEFT))
    queue.put_down(turn.connection, turn.me, held)
    if not saw_severe(held):
        return session
    sessions.note(turn.connection, session, session.last_active, severe_at=turn.now)
    return replace(session, severe_at=turn.now)


def saw_severe(held: Reservation) -> bool:
    """Whether the unsafe side of a severe pair was seen; answers count, as undo hides it again."""
    revealed, draft = json.loads(held.revealed), json.loads(held.draft)
    return held.severity >= SEVERE and (
        any(what.startswith("unsafe") for what in revealed)
        or any(name in draft for name in _OF_UNSAFE)
    )


def check_seen(held: Reservation, given: Mapping[str, str | int | None]) -> None:
    """Refuse an answer about a side with neither text nor image uncovered.

    Raises:
        InputError: names the side.
    """
    seen = {what.partition(" ")[0] for what in json.loads(held.revealed)}
    for question in answering.QUESTIONS:
        unseen = [side for side in question.sides if side not in seen]
        if given.get(question.name) is not None and unseen:
            raise InputError(f"look at the {' and the '.join(unseen)} side first, or skip the pair")


def _dose(turn: Turn, held: Reservation, event: Event) -> Dose:
    return Dose(
        at=turn.now,
        event=event,
        pair_id=held.pair_id,
        category=held.category,
        severity=held.severity,
        seconds=max(0.0, turn.now - held.opened),
    )
