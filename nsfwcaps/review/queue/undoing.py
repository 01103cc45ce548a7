"""Taking back: the last action of whatever kind, or an own verdict of any time.

Neither lifts a cap or a pause: a pair comes again only as far as those allow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlalchemy as sa

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.answers import Answers
from nsfwcaps.review.queue import exposure, journal, queue, serving, sessions
from nsfwcaps.review.queue.exposure import Dose, Event
from nsfwcaps.review.queue.journal import Action, ActionKind
from nsfwcaps.review.queue.policy import SEVERE
from nsfwcaps.review.queue.sessions import REVEALS, Session
from nsfwcaps.review.queue.turn import Turn, put_down, saw_severe


@dataclass(frozen=True, kw_only=True)
class PastVerdict:
    """An own current verdict."""

    seq: int
    at: str
    pair_id: str
    category: str
    severity: int
    answers: Answers
    changeable: bool
    """Whether the pair is still open: not settled, still in the data set, and not left out."""


def undo(turn: Turn, token: str | None) -> str | None:
    """Take back the last action; return the pair that comes again, if one does.

    Raises:
        ReviewError: there is none, it is another than that of `token`, a lead has settled the
            pair, or it is a verdict whose pair cannot come again; nothing is written then.
    """
    action = journal.last(turn.connection, turn.me, turn.now)
    if action is None:
        ended = turn.session() is None
        raise ReviewError(
            "there is nothing to undo: the session has ended"
            if ended
            else "there is nothing to undo in this session"
        )
    if token is not None and token != action.token:
        raise ReviewError("that is no longer your last action; nothing was undone")
    session = sessions.get(turn.connection, action.session_id)
    draft = _take_back(turn, action)
    journal.forget_action(turn.connection, action.action_id)
    if action.kind is not ActionKind.STOP:
        session = replace(session, pairs=max(0, session.pairs - 1))
        sessions.note(turn.connection, session, session.last_active, pairs=session.pairs)
    # Seen last before it was left: a severe pair is no second one after itself.
    own = session.severe_at == action.at
    came = action.pair_id and _bring_back(
        turn, session, action.pair_id, draft, other_severe=not own
    )
    if action.kind is ActionKind.VERDICT and not came:
        # Rolls everything back: a verdict taken back here could not be given again.
        raise ReviewError(
            f"pair {action.pair_id} can no longer be shown to you (its category is left out, it "
            "left the data set, or others have it now); your verdict stays"
        )
    _go_on(turn, session)
    return came or None


def change(turn: Turn, seq: int) -> str:
    """Take back an own verdict of any time; return its pair, which comes again with its answers.

    Raises:
        ReviewError: there is no such verdict, its pair is closed, or no session runs.
    """
    session = turn.session()
    if session is None or turn.left(session).exhausted:
        raise ReviewError("begin a session first; the pair then comes again with your answers")
    found = next((one for one in past(turn, seq=seq)), None)
    if found is None:
        raise ReviewError("that is no longer your verdict; reload the list")
    if not found.changeable:
        raise ReviewError(f"pair {found.pair_id} is closed; your verdict on it stays")
    if journal.holds(turn.connection, turn.me, session.session_id, seq):
        session = replace(session, pairs=max(0, session.pairs - 1))
    sessions.note(turn.connection, session, turn.now, pairs=session.pairs)
    journal.forget(turn.connection, turn.me, seq=seq)
    draft = _without(turn, found.pair_id, seq)
    if _bring_back(turn, session, found.pair_id, draft, other_severe=True) is None:
        raise ReviewError(f"pair {found.pair_id} has enough verdicts; yours stays as it is")
    return found.pair_id


def past(turn: Turn, *, limit: int | None = None, seq: int | None = None) -> list[PastVerdict]:
    """Return the annotator's current verdicts, newest first, or the one of a number."""
    decision, verdict, item = tables.decision, tables.verdict, tables.item
    out = serving.opted_out(turn.connection, turn.me)
    query = (
        sa.select(
            *(decision.c.seq, verdict.c.at, verdict.c.body, decision.c.pair_id),
            *(item.c.category, item.c.severity, item.c.settled, item.c.gone),
        )
        .join(verdict, verdict.c.seq == decision.c.seq)
        .join(item, item.c.pair_id == decision.c.pair_id)
        .where(decision.c.account_id == turn.me)
        .order_by(decision.c.seq.desc())
        .limit(limit)
    )
    rows = turn.connection.execute(query if seq is None else query.where(decision.c.seq == seq))
    return [
        PastVerdict(
            seq=row.seq,
            at=row.at,
            pair_id=row.pair_id,
            category=row.category,
            severity=row.severity,
            answers=verdicts.read_answers(row.body),
            changeable=row.settled is None and not row.gone and row.category not in out,
        )
        for row in rows
    ]


def _take_back(turn: Turn, action: Action) -> str:
    """Reverse an action; return the answers that its pair had."""
    if action.kind is ActionKind.VERDICT and action.seq is not None and action.pair_id:
        return _without(turn, action.pair_id, action.seq)
    if action.kind is ActionKind.SKIP and action.pair_id:
        skip = tables.skip
        mine = (skip.c.account_id == turn.me) & (skip.c.pair_id == action.pair_id)
        turn.connection.execute(sa.delete(skip).where(mine))
        _record(turn, action.pair_id)
    return action.draft


def _without(turn: Turn, pair_id: str, seq: int) -> str:
    """Take back a verdict; return its answers but the choice."""
    body = verdicts.undo(turn.connection, turn.me, seq, turn.now)
    _record(turn, pair_id)
    return replace(verdicts.read_answers(body), choice=None).text()


def _record(turn: Turn, pair_id: str) -> None:
    found = queue.look_up(turn.connection, pair_id)
    entry = Dose(
        at=turn.now,
        event=Event.UNDONE,
        pair_id=pair_id,
        category=found.category,
        severity=found.severity,
    )
    exposure.record(turn.connection, turn.me, entry)


def _bring_back(
    turn: Turn, session: Session, pair_id: str, draft: str, *, other_severe: bool
) -> str | None:
    """Reserve a pair again in place of the one held; None if it may not be seen now.

    A severe pair waits for the pause if a severe one was seen last, and that was another one
    (`other_severe`).
    """
    connection, now = turn.connection, turn.now
    held = turn.held()
    if held is not None:
        other_severe = other_severe or saw_severe(held)
        session = put_down(turn, session, held)
    if not queue.is_free(connection, turn.me, pair_id, now):
        return None
    found, opened = queue.look_up(connection, pair_id), now
    if other_severe and found.severity >= SEVERE and session.severe_at is not None:
        opened = max(now, session.severe_at + turn.policy.severe_pause_minutes * 60)
    queue.reserve_again(connection, turn.me, found, turn.policy, opened, draft=draft)
    return pair_id


def _go_on(turn: Turn, session: Session) -> None:
    """Go on with a session that has ended, if its caps allow that."""
    was = sessions.reopen(turn.connection, session, turn.now)
    if turn.left(session).exhausted not in (None, REVEALS):
        sessions.end(turn.connection, session, was or session.last_active)
