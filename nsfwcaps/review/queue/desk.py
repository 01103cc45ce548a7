"""One annotator's desk: consent, one pair at a time, caps, undo.

Every method is one atomic write. The current pair, its answers so far and the uncovered sides are
kept in the database, so a reload, a second tab or a killed server loses nothing.
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
    """Waiting for consent to what is in the queue."""

    histogram: list[tuple[str, int, int]]
    """Category, severity, number of pairs."""
    opted_out: list[str]
    left: Left


@dataclass(frozen=True, kw_only=True)
class Rest:
    """No pair now: a break, or a daily cap."""

    why: str
    until: float | None
    """When work can resume; None: tomorrow, in UTC."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """No pair is left for this annotator."""

    held_by_others: bool


@dataclass(frozen=True, kw_only=True)
class ReviewTask:
    """The pair assigned to the annotator."""

    pair_id: str
    token: str
    category: str
    severity: int
    answers: Answers
    uncovered: frozenset[str]
    """Uncovered items, such as `safe text` or `unsafe image`."""
    left: Left
    judged: int
    """Total number of pairs this annotator has judged."""
    can_undo: bool


_OF_UNSAFE = [question.name for question in answering.QUESTIONS if "unsafe" in question.sides]

State = Consent | Rest | Finished | ReviewTask


class Desk:
    """Actions of one annotator."""

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
        """Return what to do now; assign the next pair if none is assigned.

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
            # Keep showing what was uncovered last, and let its pair be finished.
            finishing = left.exhausted == REVEALS and queue.holding(connection, self._me)
            if left.exhausted and not finishing:
                return self._capped(connection, policy, left, now)
            return self._task(connection, policy, session, left, now)

    def consent(self, opted_out: list[str] | None = None) -> None:
        """Consent to what is in the queue and begin a session, excluding categories of `opted_out`.

        Raises:
            ReviewError: a break or a cap of the day prevents it.
        """
        now = self._clock()
        with self._database.write() as connection:
            policy = policy_of(connection)
            if opted_out is not None:
                self._opt_out(connection, opted_out)
            if sessions.current(connection, self._me, now) is not None:
                return  # for example from a second tab
            left = sessions.left(connection, self._me, None, policy, now)
            waiting = self._before(connection, policy, left, now)
            if isinstance(waiting, Rest):
                raise ReviewError(f"cannot start a session now: {waiting.why}")
            sessions.begin(connection, self._me, now)
            exposure.record(connection, self._me, Dose(at=now, event=Event.CONSENT))

    def uncover(self, token: str, what: str) -> None:
        """Uncover `safe text`, `unsafe text`, `safe image` or `unsafe image` of the pair.

        Raises:
            ReviewError: the pair is no longer assigned to this annotator, or a cap is reached.
            InputError: no such item.
        """
        side, _, kind = what.partition(" ")
        if side not in ("safe", "unsafe") or kind not in ("text", "image"):
            raise InputError(
                f"cannot uncover {what!r}; expected 'safe' or 'unsafe', then 'text' or 'image'"
            )
        now = self._clock()
        with self._database.write() as connection:
            policy, session, held = self._at_work(connection, token, now)
            uncovered = json.loads(held.revealed)
            if what in uncovered:
                return
            if kind == "image" and side not in self._pairs.pair(held.pair_id).images:
                raise InputError(f"pair {held.pair_id} has no {side} image")
            if sessions.left(connection, self._me, session, policy, now).reveals <= 0:
                raise ReviewError("you have reached this session's or day's cap on uncovered items")
            revealed = json.dumps([*uncovered, what])
            queue.keep_draft(connection, self._me, policy, now, revealed=revealed)
            sessions.note(connection, session, now, reveals=session.reveals + 1)
            event = Event.TEXT if kind == "text" else Event.IMAGE
            # The category describes the unsafe side only.
            entry = Dose(at=now, event=event, pair_id=held.pair_id)
            if side == "unsafe":
                entry = replace(entry, category=held.category, severity=held.severity)
            exposure.record(connection, self._me, entry)

    def answer(self, token: str, **values: str | int | None) -> None:
        """Store partial answers by question name; None removes one.

        Raises:
            ReviewError: the pair is no longer assigned to this annotator.
            InputError: the answer is invalid, or its side was not uncovered.
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
        """Record the verdict together with earlier answers; return its row number in the log.

        Raises:
            AlreadyDecidedError: this annotator has already decided on the pair.
            ReviewError: the pair is no longer assigned to this annotator.
            InputError: answers are missing or contradict each other.
        """
        now = self._clock()
        with self._database.write() as connection:
            _, session, held = self._at_work(connection, token, now)
            pair = self._pairs.pair(held.pair_id)
            given = {**json.loads(held.draft), **values, "choice": choice}
            answers = answering.finished(
                answering.from_json({k: v for k, v in given.items() if v is not None}),
                safe=pair.safe_caption,
                unsafe=pair.unsafe_caption,
            )
            seq = verdicts.judge(connection, self._me, held.pair_id, answers, now)
            self._leave(connection, session, held, Event.DECIDED, now)
            return seq

    def skip(self, token: str) -> None:
        """Leave the pair to others; no reason needed.

        Raises:
            ReviewError: the pair is no longer assigned to this annotator.
        """
        now = self._clock()
        with self._database.write() as connection:
            _, session, held = self._at_work(connection, token, now)
            connection.execute(
                sa.insert(tables.skip).values(account_id=self._me, pair_id=held.pair_id, at=now)
            )
            self._leave(connection, session, held, Event.SKIPPED, now)

    def undo(self) -> str:
        """Take back the last verdict of this session; its pair is assigned again with its answers.

        Raises:
            ReviewError: there is no verdict, or a lead has settled the pair.
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
        """End the session; its open pair goes to others."""
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
        """End a session that reached its caps; a partial verdict stays as a draft."""
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
                return Rest(why="only severe pairs are left, with pauses between", until=until)
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
        """Return the session and the pair that a request refers to."""
        session = sessions.current(connection, self._me, now)
        if session is None:
            raise ReviewError("the session has ended; nothing was saved")
        held = queue.holding(connection, self._me)
        if held is None or held.token != token:
            raise ReviewError("this pair is no longer open here; you continued in another tab")
        policy = policy_of(connection)
        expired = held.expires <= now
        if expired and not queue.renewed(connection, self._me, held, policy, now):
            raise ReviewError("your reservation expired and the pair was reassigned")
        return policy, session, held

    def _leave(
        self,
        connection: sa.Connection,
        session: Session,
        held: Reservation,
        event: Event,
        now: float,
    ) -> None:
        # Leaving a pair unseen does not count as the pause after a severe one.
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
    """Whether the unsafe side of a severe pair was seen; answers count, as undo hides it again."""
    revealed, draft = json.loads(held.revealed), json.loads(held.draft)
    return held.severity >= SEVERE and (
        any(what.startswith("unsafe") for what in revealed)
        or any(name in draft for name in _OF_UNSAFE)
    )


def _check_seen(held: Reservation, given: Mapping[str, str | int | None]) -> None:
    """Refuse an answer about a side with neither text nor image uncovered.

    Raises:
        InputError: names the side.
    """
    seen = {what.partition(" ")[0] for what in json.loads(held.revealed)}
    for question in answering.QUESTIONS:
        unseen = [side for side in question.sides if side not in seen]
        if given.get(question.name) is not None and unseen:
            raise InputError(f"look at the {' and the '.join(unseen)} side first, or skip the pair")


def _used_up(left: Left) -> str:
    what = f"the {'day' if left.of_day else 'session'}'s {left.exhausted}"
    return f"{what} {'is' if left.exhausted == 'time' else 'are'} used up"
