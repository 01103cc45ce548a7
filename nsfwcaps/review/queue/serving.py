"""What an annotator is shown: consent, a pair, a rest, or the end."""

from __future__ import annotations

import json

import sqlalchemy as sa

from nsfwcaps.review import tables
from nsfwcaps.review.database import get_meta
from nsfwcaps.review.log import answers as answering
from nsfwcaps.review.queue import journal, queue, sessions
from nsfwcaps.review.queue.journal import UndoableAction
from nsfwcaps.review.queue.queue import Nothing, Reservation
from nsfwcaps.review.queue.sessions import REVEALS, Left, Session
from nsfwcaps.review.queue.states import Consent, Finished, NextPair, Rest, ReviewTask, State
from nsfwcaps.review.queue.turn import Turn

_PAUSE = "only severe pairs are left, with pauses between"
_SEVERE_AGAIN = "a pause between two severe pairs"


def state(turn: Turn) -> State:
    """Return what to do now; assign the next pair if none is assigned."""
    session = turn.session()
    left = turn.left(session)
    if session is None:
        queue.release_expired(turn.connection, turn.me, turn.now)
        return before(turn, left)
    # Keep showing what was uncovered last, and let its pair be finished.
    finishing = left.exhausted == REVEALS and turn.held()
    if left.exhausted and not finishing:
        return _capped(turn, left)
    return _task(turn, session, left)


def before(turn: Turn, left: Left) -> Consent | Rest:
    """Return what there is to do before a session: rest, or consent."""
    until = sessions.break_until(turn.connection, turn.me, turn.policy, turn.now)
    if left.exhausted:
        return Rest(why=_used_up(left), until=None, undoable=_undoable(turn))
    if until is not None:
        why = "a break between two sessions"
        return Rest(why=why, until=until, undoable=_undoable(turn))
    return Consent(
        histogram=queue.histogram(turn.connection, turn.me),
        opted_out=opted_out(turn.connection, turn.me),
        left=left,
        undoable=_undoable(turn),
    )


def opted_out(connection: sa.Connection, account_id: str) -> list[str]:
    """Return the categories that an annotator does not want to see, sorted."""
    out = tables.opt_out
    return sorted(
        connection.scalars(sa.select(out.c.category).where(out.c.account_id == account_id))
    )


def _capped(turn: Turn, left: Left) -> Rest:
    """End a session that reached its caps; a partial verdict stays as a draft."""
    sessions.close(turn.connection, turn.me, turn.now)
    until = None if left.of_day else turn.now + turn.policy.break_minutes * 60
    return Rest(why=_used_up(left), until=until, undoable=_undoable(turn))


def _task(turn: Turn, session: Session, left: Left) -> ReviewTask | Rest | Finished:
    held = turn.take(session)
    undoable = _undoable(turn)
    if isinstance(held, Nothing):
        queue.release(turn.connection, turn.me)
        if held.severe_are_left and session.severe_at is not None:
            until = session.severe_at + turn.policy.severe_pause_minutes * 60
            return Rest(why=_PAUSE, until=until, undoable=undoable)
        waits = queue.others_hold(turn.connection, turn.me, turn.now)
        return Finished(held_by_others=waits, undoable=undoable)
    if turn.waits(session, held):
        return Rest(why=_SEVERE_AGAIN, until=held.opened, undoable=undoable)
    judged = turn.connection.scalar(
        sa.select(sa.func.count()).where(tables.decision.c.account_id == turn.me)
    )
    return ReviewTask(
        pair_id=held.pair_id,
        token=held.token,
        category=held.category,
        severity=held.severity,
        answers=answering.from_json(json.loads(held.draft)),
        uncovered=frozenset(json.loads(held.revealed)),
        broken=frozenset(json.loads(held.broken)),
        left=left,
        judged=judged or 0,
        undoable=undoable,
        next=_next(turn, held, left),
    )


def _next(turn: Turn, held: Reservation, left: Left) -> NextPair | None:
    """Return the pair announced, foreseen once; None if none is, or the caps end before it."""
    if held.next_token is None:
        review_id = get_meta(turn.connection, "review_id")
        held = queue.announce(turn.connection, turn.me, held, turn.policy, turn.now, review_id)
    if left.pairs <= 1 or left.reveals <= 0 or held.next_pair_id is None:
        return None
    found = queue.look_up(turn.connection, held.next_pair_id)
    return NextPair(token=held.next_token or "", category=found.category, severity=found.severity)


def _undoable(turn: Turn) -> UndoableAction | None:
    last = journal.last(turn.connection, turn.me, turn.now)
    return None if last is None else last.undoable


def _used_up(left: Left) -> str:
    what = f"the {'day' if left.of_day else 'session'}'s {left.exhausted}"
    return f"{what} {'is' if left.exhausted == 'time' else 'are'} used up"
