"""The desk of one annotator: consent, one pair at a time, the caps, and a way back.

Every method is one write that is there as a whole or not at all. What is before the annotator, the
answers so far and the sides that are uncovered lie in the database, so that a reload, a second tab
or a killed server loses nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database, get_meta
from nsfwcaps.review.log import answers as answering
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.answers import Answers, Choice
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue import exposure, queue, sessions
from nsfwcaps.review.queue.exposure import Dose, Event
from nsfwcaps.review.queue.opening import check_data, policy_of
from nsfwcaps.review.queue.policy import SEVERE, Policy
from nsfwcaps.review.queue.queue import Nothing, Reservation
from nsfwcaps.review.queue.sessions import REVEALS, Left, Session


@dataclass(frozen=True, kw_only=True)
class Consent:
    """Nobody has agreed yet to what is waiting."""

    histogram: list[tuple[str, int, int]]
    """Category, severity, number of pairs."""
    opted_out: list[str]
    left: Left


@dataclass(frozen=True, kw_only=True)
class Rest:
    """No pair now: a break, or a cap of the day."""

    why: str
    until: float | None
    """When it goes on; None: tomorrow, in UTC."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """No pair is left that this person may judge."""

    held_by_others: bool


@dataclass(frozen=True, kw_only=True)
class ReviewTask:
    """The pair before the annotator."""

    pair_id: str
    token: str
    category: str
    severity: int
    answers: Answers
    uncovered: frozenset[str]
    """What is uncovered, as `safe text` or `unsafe image`."""
    left: Left
    judged: int
    """Pairs that this person has judged, in all."""
    can_undo: bool


_OF_UNSAFE = [question.name for question in answering.QUESTIONS if "unsafe" in question.sides]

State = Consent | Rest | Finished | ReviewTask


class Desk:
    """What one annotator can do."""

    def __init__(
        self,
        database: Database,
        pairs: ReviewPairs,
        account_id: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._pairs = pairs
        self._me = account_id
        self._clock = clock

    def state(self) -> State:
        """What is to be done now; takes the next pair where there is none.

        Raises:
            ReviewError: the data set has changed.
        """
        now = self._clock()
        with self._database.write() as connection:
            check_data(connection, self._pairs)
            policy = policy_of(connection)
            session = sessions.current(connection, self._me, now)
            left = sessions.left(connection, self._me, session, policy, now)
            if session is None:
                queue.release_expired(connection, self._me, now)
                return self._before(connection, policy, left, now)
            # What was uncovered last is shown, and its pair may be finished.
            finishing = left.exhausted == REVEALS and queue.holding(connection, self._me)
            if left.exhausted and not finishing:
                return self._capped(connection, policy, left, now)
            return self._task(connection, policy, session, left, now)

    def consent(self, opted_out: list[str] | None = None) -> None:
        """Agree to what is waiting and begin a session; categories of `opted_out` do not come.

        Raises:
            ReviewError: a break or a cap of the day does not allow one.
        """
        now = self._clock()
        with self._database.write() as connection:
            policy = policy_of(connection)
            if opted_out is not None:
                self._opt_out(connection, opted_out)
            if sessions.current(connection, self._me, now) is not None:
                return  # as from a second tab
            left = sessions.left(connection, self._me, None, policy, now)
            waiting = self._before(connection, policy, left, now)
            if isinstance(waiting, Rest):
                raise ReviewError(f"no session can begin now: {waiting.why}")
            sessions.begin(connection, self._me, now)
            exposure.record(connection, self._me, Dose(at=now, event=Event.CONSENT))

    def uncover(self, token: str, what: str) -> None:
        """Uncover `safe text`, `unsafe text`, `safe image` or `unsafe image` of the pair.

        Raises:
            ReviewError: the pair is no longer the one before this person, or a cap is reached.
            InputError: there is no such thing.
        """
        side, _, kind = what.partition(" ")
        if side not in ("safe", "unsafe") or kind not in ("text", "image"):
            raise InputError(f"nothing can be uncovered by the name {what!r}")
        now = self._clock()
        with self._database.write() as connection:
            policy, session, held = self._at_work(connection, token, now)
            uncovered = json.loads(held.revealed)
            if what in uncovered:
                return
            if kind == "image" and side not in self._pairs.pair(held.pair_id).images:
                raise InputError(f"pair {held.pair_id} has no {side} image")
            if sessions.left(connection, self._me, session, policy, now).reveals <= 0:
                raise ReviewError("you have uncovered as much as one session or day allows")
            revealed = json.dumps([*uncovered, what])
            queue.keep_draft(connection, self._me, policy, now, revealed=revealed)
            sessions.note(connection, session, now, reveals=session.reveals + 1)
            event = Event.TEXT if kind == "text" else Event.IMAGE
            # The category is that of the unsafe side; the safe one has none.
            entry = Dose(at=now, event=event, pair_id=held.pair_id)
            if side == "unsafe":
                entry = replace(entry, category=held.category, severity=held.severity)
            exposure.record(connection, self._me, entry)

    def answer(self, token: str, **values: str | int | None) -> None:
        """Keep answers so far, by the name of the question; None takes one back.

        Raises:
            ReviewError: the pair is no longer the one before this person.
            InputError: it is no answer, or what it is about was not looked at.
        """
        now = self._clock()
        with self._database.write() as connection:
            policy, session, held = self._at_work(connection, token, now)
            before = json.loads(held.draft)
            kept = {**before, **values}
            draft = {name: value for name, value in kept.items() if value is not None}
            answering.from_json(draft)
            _check_seen(held, {k: v for k, v in values.items() if v != before.get(k)})
            queue.keep_draft(connection, self._me, policy, now, draft=json.dumps(draft))
            sessions.note(connection, session, now)

    def decide(self, token: str, choice: Choice, **values: str | None) -> int:
        """Keep the verdict, with what was answered before; the number of its row in the log.

        Raises:
            AlreadyDecidedError: this person has decided on the pair.
            ReviewError: the pair is no longer the one before this person.
            InputError: answers are missing, or do not fit together.
        """
        now = self._clock()
        with self._database.write() as connection:
            _, session, held = self._at_work(connection, token, now)
            pair = self._pairs.pair(held.pair_id)
            said = {**json.loads(held.draft), **values, "choice": choice}
            answers = answering.finished(
                answering.from_json({k: v for k, v in said.items() if v is not None}),
                safe=pair.safe_caption,
                unsafe=pair.unsafe_caption,
            )
            seq = verdicts.judge(connection, self._me, held.pair_id, answers, now)
            self._leave(connection, session, held, Event.DECIDED, now)
            return seq

    def skip(self, token: str) -> None:
        """Leave the pair to others, for no reason that anybody has to know.

        Raises:
            ReviewError: the pair is no longer the one before this person.
        """
        now = self._clock()
        with self._database.write() as connection:
            _, session, held = self._at_work(connection, token, now)
            connection.execute(
                sa.insert(tables.skip).values(account_id=self._me, pair_id=held.pair_id, at=now)
            )
            self._leave(connection, session, held, Event.SKIPPED, now)

    def undo(self) -> str:
        """Take back the last verdict of this session; the pair comes back with its answers.

        Raises:
            ReviewError: there is none, or a lead has settled the pair.
        """
        now = self._clock()
        with self._database.write() as connection:
            policy = policy_of(connection)
            session = sessions.current(connection, self._me, now)
            if session is None:
                raise ReviewError("there is nothing to undo: the session has ended")
            pair_id, body = verdicts.undo(connection, self._me, now, session.started)
            draft = json.dumps({k: v for k, v in json.loads(body).items() if k != "choice"})
            queue.reserve_again(
                connection, self._me, pair_id, policy, now, draft=draft, revealed="[]"
            )
            sessions.note(connection, session, now, pairs=max(0, session.pairs - 1))
            return pair_id

    def stop(self) -> None:
        """End the session; the pair that was open goes to others."""
        now = self._clock()
        with self._database.write() as connection:
            session = sessions.current(connection, self._me, now)
            held = queue.holding(connection, self._me)
            if session is not None and held is not None and _saw_severe(held):
                sessions.note(connection, session, now, severe_at=now)
            queue.release(connection, self._me)
            sessions.close(connection, self._me, now)

    def _before(
        self, connection: sa.Connection, policy: Policy, left: Left, now: float
    ) -> Consent | Rest:
        until = sessions.break_until(connection, self._me, policy, now)
        if left.exhausted:
            return Rest(why=_used_up(left), until=None)
        if until is not None:
            return Rest(why="a break between two sessions", until=until)
        out = tables.opt_out
        opted = connection.scalars(sa.select(out.c.category).where(out.c.account_id == self._me))
        return Consent(
            histogram=queue.histogram(connection, self._me), opted_out=sorted(opted), left=left
        )

    def _capped(self, connection: sa.Connection, policy: Policy, left: Left, now: float) -> Rest:
        """End a session whose caps are reached; a verdict half given stays as a draft."""
        sessions.close(connection, self._me, now)
        until = None if left.of_day else now + policy.break_minutes * 60
        return Rest(why=_used_up(left), until=until)

    def _task(
        self,
        connection: sa.Connection,
        policy: Policy,
        session: Session,
        left: Left,
        now: float,
    ) -> ReviewTask | Rest | Finished:
        rested = (
            session.severe_at is None or now >= session.severe_at + policy.severe_pause_minutes * 60
        )
        review_id = get_meta(connection, "review_id")
        held = queue.take(
            connection,
            self._me,
            policy,
            now,
            after_severe=session.severe_at is not None,
            rested=rested,
            review_id=review_id,
        )
        if isinstance(held, Nothing):
            queue.release(connection, self._me)
            if held.severe_are_left and session.severe_at is not None:
                until = session.severe_at + policy.severe_pause_minutes * 60
                return Rest(why="only severe pairs are left, and a pause parts them", until=until)
            return Finished(held_by_others=queue.others_hold(connection, self._me, now))
        judged = connection.scalar(
            sa.select(sa.func.count()).where(tables.decision.c.account_id == self._me)
        )
        return ReviewTask(
            pair_id=held.pair_id,
            token=held.token,
            category=held.category,
            severity=held.severity,
            answers=answering.from_json(json.loads(held.draft)),
            uncovered=frozenset(json.loads(held.revealed)),
            left=left,
            judged=judged or 0,
            can_undo=verdicts.last_since(connection, self._me, session.started) is not None,
        )

    def _at_work(
        self, connection: sa.Connection, token: str, now: float
    ) -> tuple[Policy, Session, Reservation]:
        """The session and the pair that a request is about."""
        session = sessions.current(connection, self._me, now)
        if session is None:
            raise ReviewError("the session has ended; nothing more was written")
        held = queue.holding(connection, self._me)
        if held is None or held.token != token:
            raise ReviewError("this pair is no longer before you, as you went on in another tab")
        policy = policy_of(connection)
        expired = held.expires <= now
        if expired and not queue.renewed(connection, self._me, held, policy, now):
            raise ReviewError("your time for this pair is over, and it went to somebody else")
        return policy, session, held

    def _leave(
        self,
        connection: sa.Connection,
        session: Session,
        held: Reservation,
        event: Event,
        now: float,
    ) -> None:
        # A pair that was left unseen is no pause after a severe one.
        seen = json.loads(held.revealed) or json.loads(held.draft)
        before = None if seen else session.severe_at
        entry = Dose(
            at=now,
            event=event,
            pair_id=held.pair_id,
            category=held.category,
            severity=held.severity,
            seconds=now - held.opened,
        )
        exposure.record(connection, self._me, entry)
        queue.release(connection, self._me)
        sessions.note(
            connection,
            session,
            now,
            pairs=session.pairs + 1,
            severe_at=now if _saw_severe(held) else before,
        )

    def _opt_out(self, connection: sa.Connection, categories: list[str]) -> None:
        out = tables.opt_out
        connection.execute(sa.delete(out).where(out.c.account_id == self._me))
        if categories:
            connection.execute(
                sa.insert(out),
                [{"account_id": self._me, "category": name} for name in sorted(set(categories))],
            )


def _saw_severe(held: Reservation) -> bool:
    """Whether the unsafe side of a severe pair was seen: what was answered was, before an undo."""
    revealed, draft = json.loads(held.revealed), json.loads(held.draft)
    return held.severity >= SEVERE and (
        any(what.startswith("unsafe") for what in revealed)
        or any(name in draft for name in _OF_UNSAFE)
    )


def _check_seen(held: Reservation, said: Mapping[str, str | int | None]) -> None:
    """Refuse an answer about a side of which neither the text nor the image was uncovered.

    Raises:
        InputError: naming the side.
    """
    seen = {what.partition(" ")[0] for what in json.loads(held.revealed)}
    for question in answering.QUESTIONS:
        unseen = [side for side in question.sides if side not in seen]
        if said.get(question.name) is not None and unseen:
            raise InputError(f"look at the {' and the '.join(unseen)} side first, or skip the pair")


def _used_up(left: Left) -> str:
    what = f"the {'day' if left.of_day else 'session'}'s {left.exhausted}"
    return f"{what} {'is' if left.exhausted == 'time' else 'are'} used up"
