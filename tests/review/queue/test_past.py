"""Own verdicts of any time: seen, and changed while their pair is open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import small_review
from support.desks import LEAD, Room, accept, reject, rest, task

from nsfwcaps.errors import ReviewError
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.adjudication import settle
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.queue.desk import Desk


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Any:
    return lambda count=6, **rules: Room(database, tmp_path / "set", ["weapons"] * count, **rules)


def kinds(room: Room) -> list[str]:
    with room.database.read() as connection:
        assert verdicts.verify(connection) == []
        pairs = [link for link in verdicts.links(connection) if link.pair_id]
        return [f"{link.kind} {link.pair_id}" for link in pairs]


def test_own_verdicts_newest_first_and_nobody_elses(made: Any) -> None:
    room = made(overlap=2)
    desk = room.sit()
    accept(desk)
    reject(desk)
    reject(room.sit("p-bob"))
    found = desk.past()
    assert [(one.pair_id, one.answers.choice, one.changeable) for one in found] == [
        ("pair-1", "reject", True),
        ("pair-0", "accept", True),
    ]
    assert [one.pair_id for one in desk.past(1)] == ["pair-1"]
    assert len(room.desk("p-bob").past()) == 1
    assert "on table" not in repr(found)


def test_a_verdict_of_an_earlier_session_is_changed(made: Any) -> None:
    room = made(break_minutes=0.0)
    desk = room.sit()
    accept(desk)
    reject(desk)
    desk.stop()
    room.minutes(60)
    desk.consent()
    first = desk.past()[-1]
    assert desk.change(first.seq) == "pair-0"
    again = task(desk.state())
    assert (again.pair_id, again.uncovered) == ("pair-0", frozenset())
    assert again.answers == small_review.accept(choice=None)
    assert again.left.pairs == 60
    desk.decide(again.token, Choice.REJECT)
    assert kinds(room) == ["judge pair-0", "judge pair-1", "undo pair-0", "judge pair-0"]
    with pytest.raises(ReviewError, match="no longer your verdict"):
        desk.change(first.seq)


def test_what_is_closed_is_not_changed(made: Any) -> None:
    room = made()
    desk = room.sit()
    pair_id = accept(desk)
    reject(desk)
    with room.database.write() as connection:
        settle(connection, LEAD, pair_id, small_review.reject(), room.now)
    newest, settled = desk.past()
    assert (newest.changeable, settled.changeable) == (True, False)
    with pytest.raises(ReviewError, match="pair-0 is closed"):
        desk.change(settled.seq)
    other: Desk = room.sit("p-bob")
    with pytest.raises(ReviewError, match="no longer your verdict"):
        other.change(newest.seq)
    desk.stop()
    with pytest.raises(ReviewError, match="begin a session first"):
        desk.change(newest.seq)


def test_a_category_left_out_stays_so(made: Any) -> None:
    room = made()
    desk = room.sit()
    reject(desk)
    desk.leave_out("weapons")
    (one,) = desk.past()
    assert not one.changeable
    with pytest.raises(ReviewError, match=r"left out.*your verdict stays"):
        desk.undo()
    assert kinds(room) == ["judge pair-0"]
    assert desk.past() == [one]


def test_changing_a_severe_one_waits_for_the_pause(database: Database, tmp_path: Path) -> None:
    severe = ["violence", "weapons", "violence", "weapons"]
    room = Room(database, tmp_path / "set", severe, severe_pause_minutes=2.0)
    desk = room.sit()
    assert [accept(desk), accept(desk), accept(desk)] == ["pair-0", "pair-1", "pair-2"]
    desk.change(desk.past()[-1].seq)
    assert rest(desk.state()).until == room.now + 120
    room.minutes(2)
    assert task(desk.state()).pair_id == "pair-0"
