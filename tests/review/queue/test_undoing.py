"""Undo: the last action of whatever kind, without lifting caps or pauses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.desks import LEAD, Room, accept, reject, see, task

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.queue import exposure
from nsfwcaps.review.queue.states import Consent, Rest


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Any:
    return lambda count=6, **rules: Room(database, tmp_path / "set", ["weapons"] * count, **rules)


def test_a_stop_is_undone(made: Any) -> None:
    room = made(break_minutes=0.0)
    desk = room.sit()
    reject(desk)
    held = see(desk)
    desk.answer(held.token, safe_is_safe="yes")
    desk.stop(held.token)
    state = desk.state()
    assert isinstance(state, Consent)
    assert (state.undoable.kind, state.undoable.token) == ("stop", held.token)  # type: ignore[union-attr]
    assert desk.undo(held.token) == held.pair_id
    again = task(desk.state())
    assert (again.pair_id, again.answers.safe_is_safe) == (held.pair_id, "yes")
    assert (again.uncovered, again.left.pairs) == (frozenset(), 59)
    assert room.count(tables.session) == 1


def test_undo_after_the_cap_ended_the_session(made: Any) -> None:
    room = made(pairs_per_session=2)
    desk = room.sit()
    reject(desk)
    last = accept(desk)
    state = desk.state()
    assert isinstance(state, Rest)
    assert state.undoable is not None
    assert desk.undo(state.undoable.token) == last
    again = task(desk.state())
    assert (again.pair_id, again.answers.meaning, again.left.pairs) == (last, 4, 1)
    desk.decide(again.token, Choice.REJECT)
    assert isinstance(desk.state(), Rest)


def test_an_undo_is_bound_to_the_action_it_names(made: Any) -> None:
    desk = made().sit()
    first = task(desk.state()).token
    reject(desk)
    reject(desk)
    with pytest.raises(ReviewError, match="no longer your last action"):
        desk.undo(first)


def test_undo_lifts_no_cap_on_what_is_uncovered(made: Any) -> None:
    room = made(reveals_per_session=4, pairs_per_session=10)
    desk = room.sit()
    accept(desk)
    last = accept(desk)
    assert isinstance(desk.state(), Rest)
    assert desk.undo() == last
    again = task(desk.state())
    with pytest.raises(ReviewError, match="cap on uncovered items"):
        desk.uncover(again.token, "safe text")
    desk.decide(again.token, Choice.REJECT)
    assert isinstance(desk.state(), Rest)


@pytest.mark.parametrize("rule", ["minutes_per_session", "minutes_per_day"])
def test_undo_lifts_no_cap_on_time(made: Any, rule: str) -> None:
    room = made(**{rule: 10.0})
    desk = room.sit()
    pair_id = accept(desk)
    room.minutes(11)
    assert isinstance(desk.state(), Rest)
    assert desk.undo() == pair_id
    assert isinstance(desk.state(), Rest)
    if rule == "minutes_per_session":  # it comes with the next session
        room.minutes(5)
        desk.consent()
        again = task(desk.state())
        assert (again.pair_id, again.answers.meaning) == (pair_id, 4)


def test_half_an_hour_later_nothing_is_undone(made: Any) -> None:
    room = made(break_minutes=0.0)
    desk = room.sit()
    reject(desk)
    desk.stop()
    room.minutes(30)
    assert desk.state().undoable is not None
    room.minutes(0.1)
    assert desk.state().undoable is None
    with pytest.raises(ReviewError, match="nothing to undo"):
        desk.undo()


def test_a_skipped_pair_that_another_person_has_now_stays_theirs(made: Any) -> None:
    room = made(2)
    first, second = room.sit("p-ann"), room.sit("p-bob")
    skipped = task(first.state())
    first.skip(skipped.token)
    assert task(second.state()).pair_id == skipped.pair_id
    assert first.undo() is None
    assert task(first.state()).pair_id == "pair-1"
    second.stop()
    reject(first)
    assert task(first.state()).pair_id == skipped.pair_id  # it was not skipped


def test_two_severe_pairs_do_not_meet_by_undo(database: Database, tmp_path: Path) -> None:
    rules = {"severe_pause_minutes": 2.0}
    room = Room(database, tmp_path / "set", ["violence", "weapons", "violence"], **rules)
    desk = room.sit()
    first, mild = accept(desk), accept(desk)
    room.minutes(1)
    assert see(desk).severity == 3
    assert [desk.undo(), desk.undo()] == [mild, first]
    # The third one was seen just before.
    state = desk.state()
    assert isinstance(state, Rest)
    assert state.until == room.now + 120


def test_a_repeated_undo_of_the_same_action_does_nothing(made: Any) -> None:
    room = made()
    desk = room.sit()
    reject(desk)
    token = task(desk.state()).token
    desk.skip(token)
    desk.undo(token)
    with pytest.raises(ReviewError, match="no longer your last action"):
        desk.undo(token)
    assert len(desk.past()) == 1


def test_the_record_has_what_was_undone_and_left(made: Any) -> None:
    room = made(break_minutes=0.0)
    desk = room.sit()
    desk.skip(task(desk.state()).token)
    desk.undo()
    held = see(desk)
    room.minutes(1)
    desk.stop(held.token)
    with room.database.read() as connection:
        found = exposure.entries(connection, "p-ann")
    assert [(entry.event.value, entry.seconds) for entry in found] == [
        *(("left open", 60), ("text uncovered", None), ("text uncovered", None)),
        *(("undone", None), ("skipped", 0), ("consent", None)),
    ]


def test_a_stop_from_a_tab_that_was_forgotten_is_refused(made: Any) -> None:
    room = made()
    desk = room.sit()
    old = task(desk.state()).token
    reject(desk)
    with pytest.raises(ReviewError, match="no longer open here"):
        desk.stop(old)
    task(desk.state())


def test_a_verdict_stays_if_its_pair_left_the_data_set(made: Any) -> None:
    room = made()
    desk = room.sit()
    pair_id = accept(desk)
    held = task(desk.state())
    with room.database.write() as connection:
        item = tables.item
        connection.execute(sa.update(item).where(item.c.pair_id == pair_id).values(gone=True))
    with pytest.raises(ReviewError, match=r"pair-0 can no longer be shown.*your verdict stays"):
        desk.undo()
    assert [one.pair_id for one in desk.past()] == [pair_id]
    assert task(desk.state()).token == held.token


def test_a_leads_own_verdict_stays_once_another_has_flagged_the_pair(made: Any) -> None:
    room = made(overlap=2)
    lead, other = room.sit(LEAD), room.sit("p-bob")
    assert accept(lead) == "pair-0"
    held = see(other)
    assert held.pair_id == "pair-0"
    other.decide(held.token, Choice.REJECT, ask_lead=True)
    with pytest.raises(ReviewError, match="your verdict stays"):
        lead.undo()
    assert [one.pair_id for one in lead.past()] == ["pair-0"]
