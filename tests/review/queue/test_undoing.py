"""Undo: the last action of whatever kind, without lifting caps or pauses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.desks import Room, accept, reject, see, task

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
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
    desk.decide(again.token, "reject")  # type: ignore[arg-type]
    assert isinstance(desk.state(), Rest)


def test_an_undo_is_bound_to_the_action_it_names(made: Any) -> None:
    desk = made().sit()
    first = task(desk.state()).token
    reject(desk)
    reject(desk)
    with pytest.raises(ReviewError, match="no longer your last action"):
        desk.undo(first)
