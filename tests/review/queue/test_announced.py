"""The next pair is announced with the token that it will have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.desks import LEAD, Room, reject, see, task

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.queue import gold

MILD, SEVERE = "weapons", "violence"


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Any:
    return lambda categories, **rules: Room(database, tmp_path / "set", categories, **rules)


def test_the_announced_pair_comes_with_its_token(made: Any) -> None:
    desk = made([MILD, "smoking", MILD]).sit()
    for category in ("smoking", MILD):
        held = see(desk)
        following = task(desk.state()).next
        assert following is not None
        assert (following.category, following.severity) == (category, 1)
        desk.decide(held.token, "reject")
        # At once: what was pressed after the decision is about that pair.
        desk.uncover(following.token, "safe text")
        assert task(desk.state()).token == following.token
    assert task(desk.state()).next is None


def test_another_pair_has_another_token(made: Any) -> None:
    room = made([MILD] * 3)
    first, second = room.sit("p-ann"), room.sit("p-bob")
    following = task(first.state()).next
    assert following is not None
    assert task(second.state()).pair_id == "pair-1"  # nothing was reserved
    reject(first)
    came = task(first.state())
    assert came.pair_id == "pair-2"
    assert came.token != following.token


def test_nothing_is_announced_that_the_caps_end(made: Any) -> None:
    desk = made([MILD] * 3, pairs_per_session=2).sit()
    assert task(desk.state()).next is not None
    reject(desk)
    assert task(desk.state()).next is None


def test_no_severe_pair_is_announced_after_a_severe_one(made: Any) -> None:
    room = made([SEVERE, SEVERE, MILD])
    desk = room.sit()
    following = task(desk.state()).next
    assert following is not None
    assert following.category == MILD
    held = see(desk)
    desk.decide(held.token, Choice.REJECT)
    assert task(desk.state()).token == following.token


def test_where_only_severe_ones_are_left_nothing_is_announced(made: Any) -> None:
    assert task(made([SEVERE, SEVERE]).sit().state()).next is None


def test_known_answers_are_announced_as_they_come(made: Any) -> None:
    room = made([MILD] * 60, gold_share=0.5)
    rows = [
        gold.GoldRow(number=number, values={"pair_id": f"pair-{number}", "choice": "reject"})
        for number in range(0, 60, 2)
    ]
    with room.database.write() as connection:
        gold.set_gold(connection, LEAD, rows, room.now)
    desk = room.sit()
    came = set()
    for _ in range(20):
        held = see(desk)
        following = task(desk.state()).next
        assert following is not None
        desk.decide(held.token, Choice.REJECT)
        assert task(desk.state()).token == following.token
        came.add(int(task(desk.state()).pair_id[5:]) % 2)
    assert came == {0, 1}


def test_a_category_that_is_left_out_is_not_announced(made: Any) -> None:
    desk = made([MILD, "smoking", MILD]).sit()
    held = see(desk)
    desk.leave_out("smoking")
    state = task(desk.state())
    assert state.token == held.token
    assert state.next is not None
    assert state.next.category == MILD
    with pytest.raises(InputError, match="no category 'fire'"):
        desk.leave_out("fire")


def test_leaving_out_the_category_of_the_open_pair_takes_it_away(made: Any) -> None:
    room = made(["smoking", MILD])
    desk = room.sit()
    held = see(desk)
    desk.leave_out("smoking")
    assert task(desk.state()).category == MILD
    with pytest.raises(ReviewError, match="no longer open here"):
        desk.uncover(held.token, "safe text")
    assert room.count(tables.skip) == 0


def test_an_announcement_reserves_nothing_and_counts_nothing(made: Any) -> None:
    room = made([MILD] * 3)
    desk = room.sit()
    before = task(desk.state())
    assert task(desk.state()) == before
    assert room.count(tables.reservation) == 1
    assert (room.count(tables.skip), room.count(tables.decision)) == (0, 0)
