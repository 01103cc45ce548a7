"""A clock that is set back or forward: no break of days, no cap lifted, and the log says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.desks import NOON, Room, accept, reject, rest, see, task

from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.verdicts import VerdictKind
from nsfwcaps.review.people import logins
from nsfwcaps.review.queue.states import Consent

DAY_S = 86_400


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Any:
    return lambda count=12, **rules: Room(database, tmp_path / "set", ["weapons"] * count, **rules)


def steps(room: Room) -> list[int]:
    """Seconds of the steps back that the log has."""
    with room.database.read() as connection:
        assert verdicts.verify(connection) == []
        links = [link for link in verdicts.links(connection) if link.kind == VerdictKind.CLOCK]
    assert all((link.account_id, link.pair_id) == ("", "") for link in links)
    return [json.loads(link.body)["back_s"] for link in links]


def test_a_step_back_gives_no_break_of_days(made: Any) -> None:
    room = made()
    room.now = NOON + 3 * DAY_S
    desk = room.sit()
    reject(desk)
    desk.stop()
    room.now = NOON
    assert rest(desk.state()).until == NOON + 300
    assert steps(room) == [3 * DAY_S]
    room.minutes(5)
    assert isinstance(desk.state(), Consent)
    assert steps(room) == [3 * DAY_S]


def test_a_session_goes_on_after_a_step_back(made: Any) -> None:
    room = made(reservation_minutes=20.0, minutes_per_session=25.0)
    room.now = NOON + 2 * DAY_S
    desk, other = room.sit(), room.sit("p-bob")
    held = see(desk)
    task(other.state())
    room.minutes(10)
    desk.answer(held.token, safe_is_safe="yes")
    room.now = NOON + 60
    again = task(desk.state())
    assert (again.token, again.answers.safe_is_safe) == (held.token, "yes")
    assert again.left.minutes == pytest.approx(15)
    room.minutes(25)
    # The places of people who left are free again after twenty minutes, not after two days.
    desk.consent() if isinstance(desk.state(), Consent) else None
    room.minutes(5)
    third = room.sit("p-cy")
    assert task(third.state()).pair_id == "pair-0"
    assert steps(room) == [2 * DAY_S + 540]


def test_what_was_done_before_the_step_counts_for_the_day(made: Any) -> None:
    room = made(pairs_per_day=3, break_minutes=0.0)
    room.now = NOON + 5 * DAY_S
    desk = room.sit()
    reject(desk)
    reject(desk)
    desk.stop()
    room.now = NOON
    state = desk.state()
    assert isinstance(state, Consent)
    assert state.left.pairs == 1


def test_a_pause_after_a_severe_pair_lasts_no_days(database: Database, tmp_path: Path) -> None:
    room = Room(database, tmp_path / "set", ["violence"] * 3, severe_pause_minutes=2.0)
    room.now = NOON + DAY_S
    desk = room.sit()
    accept(desk)
    room.now = NOON
    assert rest(desk.state()).until == NOON + 120


def test_a_small_correction_is_no_step(made: Any) -> None:
    room = made()
    desk = room.sit()
    reject(desk)
    room.now -= 30
    held = see(desk)
    desk.decide(held.token, "reject")
    assert steps(room) == []
    with room.database.read() as connection:
        seconds = connection.scalars(sa.select(tables.dose.c.seconds)).all()
    assert min(value for value in seconds if value is not None) == 0


def test_the_step_is_noted_once_whoever_comes_first(made: Any) -> None:
    room = made()
    room.now = NOON + DAY_S
    desks = [room.sit(who) for who in ("p-ann", "p-bob", "p-cy")]
    for desk in desks:
        reject(desk)
    room.now = NOON
    for desk in desks:
        reject(desk)
    assert steps(room) == [DAY_S]


def test_clocks_of_two_servers_do_not_fill_the_log(made: Any) -> None:
    room = made()
    one, two = room.sit("p-ann"), room.sit("p-bob")
    for _ in range(4):
        room.minutes(3)
        reject(one)
        room.minutes(-2)
        reject(two)
    assert steps(room) == [120]


def test_a_step_forward_and_back_again_lifts_no_cap(made: Any) -> None:
    room = made(pairs_per_session=2, pairs_per_day=4, break_minutes=5.0)
    desk = room.sit()
    reject(desk)
    reject(desk)
    rest(desk.state())
    room.now += 3 * DAY_S
    desk.consent()
    reject(desk)
    reject(desk)
    rest(desk.state())
    room.now -= 3 * DAY_S
    assert rest(desk.state()).why == "the day's pairs are used up"


def test_a_login_from_the_future_ends_as_others_do(made: Any) -> None:
    room = made()
    room.now = NOON + 4 * DAY_S
    desk = room.sit()
    reject(desk)
    with room.database.write() as connection:
        connection.execute(
            sa.insert(tables.login).values(
                token_hash=logins._sha256("a token"),
                account_id="p-ann",
                created=room.now,
                last_seen=room.now,
            )
        )
    room.now = NOON
    desk.state()
    with room.database.read() as connection:
        assert logins.signed_in(connection, "a token", NOON + logins.IDLE_S - 1) is not None
        assert logins.signed_in(connection, "a token", NOON + logins.IDLE_S) is None
