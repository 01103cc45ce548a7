"""Sessions, their caps and breaks, and the record that is its owner's alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.desks import NOON, Room, accept, reject, rest, see, task

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.queue import exposure, sessions
from nsfwcaps.review.queue.exposure import Event
from nsfwcaps.review.queue.sessions import IDLE_S, today
from nsfwcaps.review.queue.states import Consent

MIDNIGHT = NOON + 12 * 60 * 60


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Any:
    return lambda **rules: Room(database, tmp_path / "set", ["weapons"] * 30, **rules)


def consent(state: Any) -> Consent:
    assert isinstance(state, Consent), f"no consent is asked for, but {state}"
    return state


def test_days_are_those_of_utc() -> None:
    assert (today(NOON), today(MIDNIGHT - 0.001), today(MIDNIGHT)) == (
        "2001-09-09",
        "2001-09-09",
        "2001-09-10",
    )


def test_work_begins_with_consent(made: Any) -> None:
    room = made()
    desk = room.desk()
    assert consent(desk.state()).histogram == [("weapons", 1, 30)]
    for action in (lambda: desk.uncover("x", "safe text"), lambda: desk.skip("x"), desk.undo):
        with pytest.raises(ReviewError, match="session has ended"):
            action()
    desk.consent([])
    desk.consent(["smoking"])  # from a second tab: the same session
    assert room.count(tables.session) == 1
    assert task(desk.state()).left.pairs == 60


def test_pairs_of_a_session(made: Any) -> None:
    room = made(pairs_per_session=3)
    desk = room.sit()
    reject(desk)
    desk.skip(task(desk.state()).token)  # a skip is as tiring
    reject(desk)
    waits = rest(desk.state())
    assert waits.why == "the session's pairs are used up"
    assert waits.until == room.now + 300
    with pytest.raises(ReviewError, match="break between two sessions"):
        desk.consent([])
    assert rest(desk.state()).until == waits.until
    room.minutes(5)
    consent(desk.state())
    desk.consent()
    assert task(desk.state()).left.pairs == 3


def test_pairs_of_a_day(made: Any) -> None:
    room = made(pairs_per_session=2, pairs_per_day=3, break_minutes=0.0)
    desk = room.sit()
    reject(desk)
    reject(desk)
    rest(desk.state())
    assert consent(desk.state()).left.pairs == 1
    desk.consent()
    reject(desk)
    for _ in range(2):
        assert rest(desk.state()).until is None
    with pytest.raises(ReviewError, match="the day's pairs are used up"):
        desk.consent()
    room.now = MIDNIGHT
    consent(desk.state())


def test_an_undone_verdict_is_no_pair_of_the_session(made: Any) -> None:
    room = made(pairs_per_session=2)
    desk = room.sit()
    reject(desk)
    desk.undo()
    assert task(desk.state()).left.pairs == 2


@pytest.mark.parametrize("rule", ["minutes_per_session", "minutes_per_day"])
def test_minutes(made: Any, rule: str) -> None:
    room = made(**{rule: 10.0})
    desk = room.sit()
    see(desk)
    room.minutes(9)
    held = task(desk.state())
    assert held.left.minutes == pytest.approx(1)
    room.minutes(1)
    waits = rest(desk.state())
    assert waits.why == f"the {rule.rsplit('_', 1)[1]}'s time is used up"
    assert waits.until == (None if rule.endswith("day") else room.now + 300)
    if waits.until is not None:
        room.minutes(5)
        desk.consent()
        # What was open is still open.
        assert task(desk.state()).uncovered == {"safe text", "unsafe text"}


@pytest.mark.parametrize("rule", ["reveals_per_session", "reveals_per_day"])
def test_reveals(made: Any, rule: str) -> None:
    room = made(**{rule: 3})
    desk = room.sit()
    accept(desk)
    last = task(desk.state())
    desk.uncover(last.token, "safe text")
    desk.uncover(last.token, "safe text")  # a second time is none
    # What was uncovered last is seen, and decided on.
    assert task(desk.state()).uncovered == {"safe text"}
    with pytest.raises(ReviewError, match="this session's or day's cap"):
        desk.uncover(last.token, "unsafe text")
    desk.decide(last.token, "reject")
    waits = rest(desk.state())
    assert "uncovered texts and images are used up" in waits.why
    assert waits.until == (None if rule.endswith("day") else room.now + 300)


def test_stopping_does_not_get_around_the_break(made: Any) -> None:
    room = made()
    desk = room.sit()
    see(desk)
    desk.stop()
    assert rest(desk.state()).until == room.now + 300


def test_a_session_without_anything_needs_no_break(made: Any) -> None:
    desk = made().sit()
    task(desk.state())
    desk.stop()
    consent(desk.state())


def test_who_was_away_begins_anew(made: Any) -> None:
    room = made(minutes_per_session=1_000.0, minutes_per_day=60.0)
    desk = room.sit()
    reject(desk)
    room.now += IDLE_S
    reject(desk)
    room.now += IDLE_S + 1
    # The session ended when something last happened: the hour away is not counted.
    assert consent(desk.state()).left.minutes == pytest.approx(30)
    desk.stop()  # in a tab that was forgotten
    assert consent(desk.state()).left.minutes == pytest.approx(30)


def test_a_session_past_midnight_is_of_the_day_before(made: Any) -> None:
    room = made(pairs_per_day=3, break_minutes=0.0)
    room.now = MIDNIGHT - 60
    desk = room.sit()
    reject(desk)
    room.now = MIDNIGHT + 60
    reject(desk)
    assert task(desk.state()).left.pairs == 3
    desk.stop()
    assert consent(desk.state()).left.pairs == 3


def test_the_break_goes_past_midnight(made: Any) -> None:
    room = made()
    room.now = MIDNIGHT - 60
    desk = room.sit()
    reject(desk)
    desk.stop()
    room.now = MIDNIGHT + 60
    assert rest(desk.state()).until == MIDNIGHT + 240


def test_caps_are_each_persons_own(made: Any) -> None:
    room = made(pairs_per_session=1)
    desk = room.sit("p-ann")
    reject(desk)
    rest(desk.state())
    task(room.sit("p-bob").state())


def record(room: Room, who: str) -> list[exposure.Dose]:
    with room.database.read() as connection:
        return exposure.entries(connection, who)


def erase(room: Room, who: str) -> int:
    with room.database.write() as connection:
        return exposure.erase(connection, who, today(room.now))


def test_the_record_has_what_somebody_saw(made: Any) -> None:
    room = made()
    desk = room.sit()
    found = see(desk)
    room.minutes(2)
    desk.decide(found.token, "reject")
    desk.skip(task(desk.state()).token)
    skipped, decided, unsafe, safe, agreed = record(room, "p-ann")
    assert [entry.event for entry in (skipped, decided, unsafe, safe, agreed)] == [
        *(Event.SKIPPED, Event.DECIDED, Event.TEXT, Event.TEXT, Event.CONSENT)
    ]
    assert (decided.pair_id, decided.category, decided.seconds) == ("pair-0", "weapons", 120)
    assert (unsafe.category, unsafe.severity, safe.category) == ("weapons", 1, None)
    assert record(room, "p-bob") == []


def test_erasing_is_for_ones_own_record_and_lifts_no_cap(made: Any) -> None:
    room = made(pairs_per_day=2, break_minutes=0.0)
    for who in ("p-ann", "p-bob"):
        reject(room.sit(who))
    desk = room.desk("p-ann")
    desk.skip(task(desk.state()).token)
    assert erase(room, "p-ann") == 4  # consent, decided, skipped; and what was skipped
    assert record(room, "p-ann") == []
    assert len(record(room, "p-bob")) == 2
    assert room.count(tables.skip) == 0
    assert room.count(tables.decision) == 2
    assert rest(desk.state()).why == "the day's pairs are used up"


def test_erasing_takes_the_sessions_of_earlier_days(made: Any) -> None:
    room = made()
    room.now = MIDNIGHT - 3_600
    desk = room.sit()
    reject(desk)
    desk.stop()
    room.now = MIDNIGHT - 60
    desk.consent([])
    room.now = MIDNIGHT + 60
    reject(desk)
    erase(room, "p-ann")
    assert room.count(tables.session) == 1
    task(desk.state())  # the session that goes on past midnight does so
    desk.stop()
    assert rest(desk.state()).until == room.now + 300


def test_a_session_is_found_by_its_owner_alone(made: Any) -> None:
    room = made()
    room.sit("p-ann")
    with room.database.read() as connection:
        assert sessions.current(connection, "p-ann", room.now) is not None
        assert sessions.current(connection, "p-bob", room.now) is None
