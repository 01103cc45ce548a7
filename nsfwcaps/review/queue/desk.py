"""One annotator's desk: consent, one pair at a time, caps, undo.

Every method is one atomic write. The current pair, its answers so far and the uncovered sides are
kept in the database, so a reload, a second tab or a killed server loses nothing.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import sqlalchemy as sa

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import answers as answering
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue import clock, exposure, journal, queue, serving, sessions, undoing
from nsfwcaps.review.queue.exposure import Dose, Event
from nsfwcaps.review.queue.journal import ActionKind
from nsfwcaps.review.queue.opening import check_data, policy_of
from nsfwcaps.review.queue.queue import Reservation
from nsfwcaps.review.queue.states import Rest, State
from nsfwcaps.review.queue.turn import NOT_OPEN, Turn, at_work, check_seen, leave, put_down
from nsfwcaps.review.queue.undoing import PastVerdict

PAST = 200
"""Number of own verdicts that are listed."""


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
        with self._turn() as turn:
            check_data(turn.connection, self._pairs)
            return serving.state(turn)

    def consent(self, opted_out: list[str] | None = None) -> None:
        """Consent to what is in the queue and begin a session, excluding categories of `opted_out`.

        Raises:
            ReviewError: a break or a cap of the day prevents it.
        """
        with self._turn() as turn:
            if opted_out is not None:
                self._opt_out(turn, opted_out)
            if turn.session() is not None:
                return  # for example from a second tab
            waiting = serving.before(turn, turn.left(None))
            if isinstance(waiting, Rest):
                raise ReviewError(f"cannot start a session now: {waiting.why}")
            journal.forget(turn.connection, self._me)  # of earlier sessions
            sessions.begin(turn.connection, self._me, turn.now)
            exposure.record(turn.connection, self._me, Dose(at=turn.now, event=Event.CONSENT))

    def leave_out(self, category: str) -> None:
        """See no pairs of a category any more; one that is open is released.

        Raises:
            InputError: no such category.
        """
        if category not in self._pairs.categories:
            raise InputError(f"no category '{category}' in this review")
        with self._turn() as turn:
            out = serving.opted_out(turn.connection, self._me)
            self._opt_out(turn, [*out, category])

    def uncover(self, token: str, what: str) -> None:
        """Uncover `safe text`, `unsafe text`, `safe image` or `unsafe image` of the pair.

        An image that cannot be shown is noted as broken; it stays covered and costs nothing.

        Raises:
            ReviewError: the pair is no longer assigned to this annotator, or a cap is reached.
            InputError: no such item.
        """
        side, kind = _parts(what)
        broken = kind == "image" and self._is_broken(token, side)
        with self._turn() as turn:
            session, held = at_work(turn, token)
            uncovered = json.loads(held.revealed)
            if what in uncovered:
                return
            if kind == "image" and side not in self._pairs.pair(held.pair_id).images:
                raise InputError(f"pair {held.pair_id} has no {side} image")
            if broken:
                _note_broken(turn, held, what)
                return
            if turn.left(session).reveals <= 0:
                raise ReviewError("you have reached this session's or day's cap on uncovered items")
            still = [other for other in json.loads(held.broken) if other != what]
            turn.keep(revealed=json.dumps([*uncovered, what]), broken=json.dumps(still))
            sessions.note(turn.connection, session, turn.now, reveals=session.reveals + 1)
            event = Event.TEXT if kind == "text" else Event.IMAGE
            _record(turn, held, event, side)

    def mark_broken(self, token: str, what: str) -> None:
        """Note that the browser could not show an image; it then counts as not looked at.

        Raises:
            ReviewError: the pair is no longer assigned to this annotator.
            InputError: no such image.
        """
        side, kind = _parts(what)
        with self._turn() as turn:
            _, held = at_work(turn, token)
            if kind != "image" or side not in self._pairs.pair(held.pair_id).images:
                raise InputError(f"pair {held.pair_id} has no {what}")
            _note_broken(turn, held, what)

    def answer(self, token: str, **values: str | int | None) -> None:
        """Store partial answers by question name; None removes one.

        Raises:
            ReviewError: the pair is no longer assigned to this annotator.
            InputError: the answer is invalid, or its side was not uncovered.
        """
        with self._turn() as turn:
            session, held = at_work(turn, token)
            before = json.loads(held.draft)
            kept = {**before, **values}
            draft = {name: value for name, value in kept.items() if value is not None}
            answering.from_json(draft)
            check_seen(held, {k: v for k, v in values.items() if v != before.get(k)})
            turn.keep(draft=json.dumps(draft))
            sessions.note(turn.connection, session, turn.now)

    def decide(self, token: str, choice: Choice, **values: str | int | None) -> int:
        """Record the verdict together with earlier answers; return its row number in the log.

        Raises:
            AlreadyDecidedError: this annotator has already decided on the pair.
            ReviewError: the pair is no longer assigned to this annotator.
            InputError: answers are missing or contradict each other, or a side was not uncovered.
        """
        with self._turn() as turn:
            session, held = at_work(turn, token)
            pair = self._pairs.pair(held.pair_id)
            before = json.loads(held.draft)
            check_seen(held, {k: v for k, v in values.items() if v != before.get(k)})
            given = {**before, **values, "choice": choice}
            answers = answering.finished(
                answering.from_json({k: v for k, v in given.items() if v is not None}),
                safe=pair.safe_caption,
                unsafe=pair.unsafe_caption,
            )
            seq = verdicts.judge(turn.connection, self._me, held.pair_id, answers, turn.now)
            self._note(turn, session.session_id, ActionKind.VERDICT, held, seq=seq)
            leave(turn, session, held, Event.DECIDED)
            return seq

    def skip(self, token: str) -> None:
        """Leave the pair to others; no reason needed.

        Raises:
            ReviewError: the pair is no longer assigned to this annotator.
        """
        with self._turn() as turn:
            session, held = at_work(turn, token)
            turn.connection.execute(
                sa.insert(tables.skip).values(
                    account_id=self._me, pair_id=held.pair_id, at=turn.now
                )
            )
            self._note(turn, session.session_id, ActionKind.SKIP, held)
            leave(turn, session, held, Event.SKIPPED)

    def stop(self, token: str | None = None) -> None:
        """End the session; its open pair goes to others. With a token, only if that one is open.

        Raises:
            ReviewError: another pair is open.
        """
        with self._turn() as turn:
            session, held = turn.session(), turn.held()
            if token is not None and (held is None or held.token != token):
                raise ReviewError(NOT_OPEN)
            if session is not None:
                self._note(turn, session.session_id, ActionKind.STOP, held)
                if held is not None:
                    put_down(turn, session, held)
            queue.release(turn.connection, self._me)
            sessions.close(turn.connection, self._me, turn.now)

    def undo(self, token: str | None = None) -> str | None:
        """Take back the last verdict, skip or stop; return the pair that comes again, if one does.

        Also for half an hour after the session has ended. With a token, only if that action ended
        the reservation of the token.

        Raises:
            ReviewError: there is nothing to undo, a lead has settled the pair, or it cannot come
                again after a verdict, which then stays.
        """
        with self._turn() as turn:
            return undoing.undo(turn, token)

    def past(self, limit: int = PAST) -> list[PastVerdict]:
        """Return the annotator's own current verdicts, newest first."""
        with self._database.read() as connection:
            return undoing.past(self._of(connection), limit=limit)

    def change(self, seq: int) -> str:
        """Take back an own verdict while its pair is open; the pair comes again with its answers.

        Raises:
            ReviewError: the pair is closed, or no session runs.
        """
        with self._turn() as turn:
            return undoing.change(turn, seq)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[Turn]:
        with self._database.write() as connection:
            turn = self._of(connection)
            clock.set_right(connection, self._me, turn.policy, turn.now)
            yield turn

    def _of(self, connection: sa.Connection) -> Turn:
        return Turn(
            connection=connection,
            pairs=self._pairs,
            me=self._me,
            policy=policy_of(connection),
            now=self._clock(),
        )

    def _is_broken(self, token: str, side: str) -> bool:
        """Whether an image cannot be shown; decoded before the write, as it takes a while."""
        with self._database.read() as connection:
            held = queue.holding(connection, self._me)
        if held is None or held.token != token or held.pair_id not in self._pairs:
            return False  # the write says what is wrong
        if side not in self._pairs.pair(held.pair_id).images:
            return False
        try:
            self._pairs.image(held.pair_id, side)
        except InputError:
            return True
        return False

    def _note(
        self,
        turn: Turn,
        session_id: int,
        kind: ActionKind,
        held: Reservation | None,
        seq: int | None = None,
    ) -> None:
        journal.note(
            turn.connection,
            self._me,
            session_id=session_id,
            at=turn.now,
            kind=kind,
            token=held.token if held else secrets.token_hex(8),
            pair_id=held.pair_id if held else None,
            seq=seq,
            draft=held.draft if held else "{}",
        )

    def _opt_out(self, turn: Turn, categories: list[str]) -> None:
        out, connection = tables.opt_out, turn.connection
        connection.execute(sa.delete(out).where(out.c.account_id == self._me))
        if categories:
            connection.execute(
                sa.insert(out),
                [{"account_id": self._me, "category": name} for name in sorted(set(categories))],
            )
        queue.forget_announced(connection, self._me)
        held, session = turn.held(), turn.session()
        if held is not None and held.category in categories:
            if session is not None:
                put_down(turn, session, held)
            queue.release(connection, self._me)


def _parts(what: str) -> tuple[str, str]:
    side, _, kind = what.partition(" ")
    if side not in ("safe", "unsafe") or kind not in ("text", "image"):
        raise InputError(
            f"cannot uncover {what!r}; expected 'safe' or 'unsafe', then 'text' or 'image'"
        )
    return side, kind


def _note_broken(turn: Turn, held: Reservation, what: str) -> None:
    revealed, broken = json.loads(held.revealed), json.loads(held.broken)
    if what in broken:
        return
    turn.keep(
        revealed=json.dumps([other for other in revealed if other != what]),
        broken=json.dumps([*broken, what]),
    )
    _record(turn, held, Event.BROKEN, what.partition(" ")[0])


def _record(turn: Turn, held: Reservation, event: Event, side: str) -> None:
    # The category describes the unsafe side only.
    entry = Dose(at=turn.now, event=event, pair_id=held.pair_id)
    if side == "unsafe":
        entry = replace(entry, category=held.category, severity=held.severity)
    exposure.record(turn.connection, turn.me, entry)
