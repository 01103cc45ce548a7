"""The dose record: its owner's alone, and erased when they say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.desks import Room, accept, reject, see, task

from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.queue import exposure
from nsfwcaps.review.queue.exposure import Dose, Event


@pytest.fixture
def room(database: Database, tmp_path: Path) -> Room:
    return Room(database, tmp_path / "set", ["violence", "smoking", "smoking"], overlap=2)


def entries(room: Room, who: str = "p-ann") -> list[Dose]:
    with room.database.read() as connection:
        return exposure.entries(connection, who)


def erase(room: Room, who: str = "p-ann") -> int:
    return exposure.erase_all(room.database, who, room.now)


def test_what_happened_is_there_the_last_first(room: Room) -> None:
    began = room.now
    desk = room.sit()
    found = see(desk)
    room.now += 7.5
    desk.decide(found.token, Choice.REJECT)
    desk.skip(task(desk.state()).token)
    pair = {"pair_id": "pair-0", "category": "violence", "severity": 3}
    assert entries(room) == [
        Dose(
            at=began + 7.5, event=Event.SKIPPED, pair_id="pair-1", category="smoking", severity=1,
            seconds=0.0,
        ),
        Dose(at=began + 7.5, event=Event.DECIDED, seconds=7.5, **pair),
        Dose(at=began, event=Event.TEXT, **pair),
        Dose(at=began, event=Event.TEXT, pair_id="pair-0"),  # the safe side has no category
        Dose(at=began, event=Event.CONSENT),
    ]  # fmt: skip


def test_it_is_that_of_one_person(room: Room) -> None:
    accept(room.sit())
    accept(room.sit("p-bob"))
    mine, others = entries(room), entries(room, "p-bob")
    assert len(mine) == len(others) == 4
    erase(room)
    assert entries(room) == []
    assert entries(room, "p-bob") == others


def test_erasing_lifts_no_cap_of_today(room: Room) -> None:
    desk = room.sit()
    accept(desk)
    before = task(desk.state())
    assert erase(room) == 4
    assert task(desk.state()) == replace(before, undoable=None)
    desk.stop()
    assert "break" in getattr(desk.state(), "why", "")


def test_erasing_forgets_skips_and_earlier_days(room: Room) -> None:
    desk = room.sit()
    desk.skip(task(desk.state()).token)
    desk.stop()
    room.minutes(24 * 60)
    reject(room.sit())
    assert task(desk.state()).pair_id == "pair-2"
    desk.stop()
    assert room.count(tables.session) == 2
    erase(room)
    assert (room.count(tables.session), room.count(tables.skip)) == (1, 0)
    room.minutes(5)
    assert task(room.sit().state()).pair_id == "pair-0"


def test_erasing_after_midnight_leaves_the_session_that_runs(room: Room) -> None:
    room.minutes(12 * 60 - 1)
    desk = room.sit()
    room.minutes(2)
    see(desk)
    before = task(desk.state())
    erase(room)
    assert task(desk.state()) == before


def test_verdicts_stay_when_the_record_goes(room: Room) -> None:
    accept(room.sit())
    erase(room)
    assert room.count(tables.verdict) == room.count(tables.decision) == 1
