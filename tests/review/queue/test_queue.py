"""The queue: who is given what, and what nobody is given."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support import many_annotators
from support.desks import LEAD, PEOPLE, Room, accept, reject, see, task
from support.small_review import accept as accepted

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue import gold, policy, queue
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.states import Finished

MILD, SEVERE = "weapons", "violence"


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Any:
    return lambda categories, **rules: Room(database, tmp_path / "set", categories, **rules)


def all_of(desk: Desk) -> list[str]:
    """Reject until nothing is left; the pairs."""
    found = []
    while not isinstance(desk.state(), Finished):
        found.append(reject(desk))
    return found


def test_the_largest_hub_comes_first(made: Any) -> None:
    room = made([MILD] * 5)
    assert all_of(room.sit()) == [f"pair-{number}" for number in range(5)]


@pytest.mark.parametrize("overlap", [1, 2, 3])
def test_every_pair_goes_to_so_many_people(made: Any, overlap: int) -> None:
    room = made([MILD] * 4, overlap=overlap)
    seen = {who: all_of(room.sit(who)) for who in PEOPLE}
    for pair_id in room.pairs.ids:
        assert sum(pair_id in pairs for pairs in seen.values()) == overlap
    assert all(len(pairs) == len(set(pairs)) for pairs in seen.values())


def test_a_pair_before_one_person_takes_one_place(made: Any) -> None:
    room = made([MILD] * 2, overlap=2)
    desks = [room.sit(who) for who in PEOPLE]
    given = [task(desk.state()).pair_id for desk in desks]
    assert given == ["pair-0", "pair-0", "pair-1", "pair-1"]


def test_who_waits_for_a_pair_of_somebody_else_is_told_so(made: Any) -> None:
    room = made([MILD])
    first, second = room.sit("p-ann"), room.sit("p-bob")
    task(first.state())
    assert second.state() == Finished(held_by_others=True)
    reject(first)
    assert second.state() == Finished(held_by_others=False)


def test_a_pair_left_open_goes_to_somebody_else(made: Any) -> None:
    room = made([MILD], reservation_minutes=20.0)
    first, second = room.sit("p-ann"), room.sit("p-bob")
    left = see(first)
    room.minutes(19.9)
    assert second.state() == Finished(held_by_others=True)
    room.minutes(0.2)
    assert task(second.state()).pair_id == left.pair_id
    for action in (
        lambda: first.uncover(left.token, "safe image"),
        lambda: first.answer(left.token, safe_is_safe="no"),
        lambda: first.decide(left.token, "reject"),
    ):
        with pytest.raises(ReviewError, match="pair was reassigned"):
            action()
    assert first.state() == Finished(held_by_others=True)
    reject(second)
    assert room.count(tables.decision) == 1


def test_a_pair_left_open_is_kept_where_nobody_wanted_it(made: Any) -> None:
    room = made([MILD], reservation_minutes=20.0)
    desk = room.sit()
    left = see(desk)
    room.minutes(25)
    desk.decide(left.token, "reject")
    assert room.count(tables.decision) == 1


def test_work_makes_a_reservation_last(made: Any) -> None:
    room = made([MILD], reservation_minutes=20.0, minutes_per_session=60.0)
    first, second = room.sit("p-ann"), room.sit("p-bob")
    left = task(first.state())
    for what in ("safe text", "unsafe text"):
        room.minutes(15)
        first.uncover(left.token, what)
    assert second.state() == Finished(held_by_others=True)


def test_a_skipped_pair_goes_to_others_and_never_comes_back(made: Any) -> None:
    room = made([MILD] * 2)
    first, second = room.sit("p-ann"), room.sit("p-bob")
    first.skip(task(first.state()).token)
    assert all_of(first) == ["pair-1"]
    assert all_of(second) == ["pair-0"]
    assert room.count(tables.verdict) == 2


def test_categories_that_somebody_wants_not_to_see(made: Any) -> None:
    room = made([MILD, "smoking", MILD])
    first, second = room.sit("p-ann", opted_out=["smoking"]), room.sit("p-bob")
    assert all_of(first) == ["pair-0", "pair-2"]
    assert all_of(second) == ["pair-1"]


def test_opting_out_takes_away_what_is_open(made: Any) -> None:
    room = made(["smoking", MILD])
    desk = room.sit()
    opened = task(desk.state())
    room.sit(opted_out=["smoking"])  # in another tab
    assert task(desk.state()).category == MILD
    with pytest.raises(ReviewError, match="no longer open here"):
        desk.uncover(opened.token, "safe text")


def test_the_histogram_counts_what_may_come(made: Any) -> None:
    room = made([MILD, "smoking", MILD, SEVERE])
    desk = room.sit(opted_out=["smoking"])
    reject(desk)
    with room.database.read() as connection:
        mine = queue.histogram(connection, "p-ann")
        others = queue.histogram(connection, "p-bob")
    assert mine == [(SEVERE, policy.SEVERE, 1), (MILD, policy.MILD, 1)]
    assert others == [("smoking", 1, 1), (SEVERE, 3, 1), (MILD, 1, 1)]


def write_gold(room: Room, *pairs: str) -> None:
    known = [
        gold.GoldRow(number=number, values={"pair_id": pair_id, **accepted().as_json()})
        for number, pair_id in enumerate(pairs)
    ]
    with room.database.write() as connection:
        gold.set_gold(connection, LEAD, known, room.now)


def test_gold_has_its_share(made: Any) -> None:
    room = made([MILD] * 400, gold_share=0.25, pairs_per_session=1_000, pairs_per_day=1_000)
    known = {f"pair-{number}" for number in range(0, 400, 2)}
    write_gold(room, *known)
    desk = room.sit()
    share = sum(reject(desk) in known for _ in range(160)) / 160
    assert abs(share - 0.25) < 0.171  # five standard deviations of 160 draws
    with room.database.read() as connection:
        assert verdicts.verify(connection) == []


def test_gold_goes_to_everybody(made: Any) -> None:
    room = made([MILD] * 130, gold_share=0.5, overlap=1)
    known = {"pair-7", "pair-100", "pair-129"}
    write_gold(room, *known)
    for who in PEOPLE[:2]:
        desk = room.sit(who)
        assert known < {reject(desk) for _ in range(50)}


def test_gold_is_given_at_its_places_alone(made: Any) -> None:
    room = made([MILD] * 3)
    write_gold(room, "pair-0", "pair-2")
    assert all_of(room.sit()) == ["pair-1"]


def test_a_pair_that_is_settled_comes_to_nobody(made: Any) -> None:
    room = made([MILD] * 2)
    room.run("UPDATE item SET settled = 1 WHERE pair_id = 'pair-0'")
    assert all_of(room.sit()) == ["pair-1"]


def test_two_severe_pairs_are_kept_apart(made: Any) -> None:
    room = made([SEVERE, SEVERE, MILD, SEVERE, MILD])
    desk = room.sit()
    order = [accept(desk) for _ in range(4)]
    assert order == ["pair-0", "pair-2", "pair-1", "pair-4"]


def test_severe_pairs_that_are_left_alone_wait(made: Any) -> None:
    room = made([SEVERE] * 2, severe_pause_minutes=5.0)
    desk = room.sit()
    accept(desk)
    waits: Any = desk.state()
    assert waits.until == room.now + 300
    room.minutes(5)
    assert accept(desk) == "pair-1"


def test_what_nobody_saw_was_not_severe(made: Any) -> None:
    room = made([SEVERE] * 3)
    assert all_of(room.sit()) == ["pair-0", "pair-1", "pair-2"]


def test_no_pause_after_a_severe_pair_is_bought_by_a_pair_unseen(made: Any) -> None:
    room = made([SEVERE, MILD, SEVERE, SEVERE, MILD])
    desk = room.sit()
    accept(desk)
    reject(desk)  # the mild one, unseen
    assert task(desk.state()).category == MILD


@pytest.mark.parametrize("how", ["undo", "stop"])
def test_neither_undo_nor_stop_brings_two_severe_pairs(made: Any, how: str) -> None:
    room = made([SEVERE, SEVERE, MILD], break_minutes=0.1, severe_pause_minutes=0.1)
    desk = room.sit()
    if how == "undo":
        accept(desk)
        desk.undo()
        desk.decide(task(desk.state()).token, "reject")
    else:
        see(desk)
        desk.stop()
        room.minutes(1)
        desk.consent([])
    assert task(desk.state()).category == MILD


def test_a_hundred_thousand_pairs(address: str, tmp_path: Path) -> None:
    data = many_annotators.write_pairs(tmp_path / "set", 100_000)
    database = Database(address, create=True)
    many_annotators.begin(database, ReviewPairs(data), overlap=2)
    desk = Desk(database, ReviewPairs(data), "p-0")
    desk.consent([])
    waits = []
    for _ in range(5):
        started = time.perf_counter()
        reject(desk)
        waits.append(time.perf_counter() - started)
    # A scan of the queue takes longer than this.
    assert min(waits) < 0.15
    with database.read() as connection:
        controls = sa.select(sa.func.count()).where(tables.item.c.reason == "control")
        assert connection.scalar(controls) == 10_000
    database.close()
