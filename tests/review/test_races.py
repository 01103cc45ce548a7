"""What happens at the same moment or after a long one, and what is read for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.desks import Room, accept, reject, task, write_set

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.queue import exposure, sessions
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.opening import open_review
from nsfwcaps.review.queue.states import Consent, Finished


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Any:
    return lambda count=6, **rules: Room(database, tmp_path / "set", ["weapons"] * count, **rules)


def at_once(count: int, action: Callable[[], None]) -> None:
    """Run an action in so many threads that begin together."""
    gate = threading.Barrier(count)
    failed: list[BaseException] = []

    def run() -> None:
        gate.wait()
        try:
            action()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def intact(room: Room) -> None:
    with room.database.read() as connection:
        assert verdicts.verify(connection) == []


def test_tabs_that_decide_at_once(made: Any) -> None:
    room = made()
    token = task(room.sit().state()).token
    said: list[str] = []

    def decide() -> None:
        try:
            said.append(f"row {room.desk().decide(token, Choice.REJECT)}")
        except ReviewError:
            said.append("refused")

    at_once(4, decide)
    assert sorted(said) == ["refused", "refused", "refused", "row 4"]
    intact(room)


def test_many_tabs_of_one_person_judge_each_pair_once(made: Any) -> None:
    room = made(12)
    room.sit()

    def work() -> None:
        desk = room.desk()
        while not isinstance(state := desk.state(), Finished):
            try:
                desk.decide(task(state).token, Choice.REJECT)
            except ReviewError:
                continue

    at_once(4, work)
    assert room.count(tables.verdict) == room.count(tables.decision) == 12
    intact(room)


def test_tabs_that_consent_at_once_begin_one_session(made: Any) -> None:
    room = made()
    at_once(4, lambda: room.desk().consent([]))
    assert room.count(tables.session) == 1


def test_tabs_that_undo_at_once_take_back_one_verdict_each(made: Any) -> None:
    room = made()
    desk = room.sit()
    for _ in range(3):
        accept(desk)
    at_once(2, lambda: str(room.desk().undo()) and None)
    assert room.count(tables.decision) == 1
    intact(room)


def test_a_place_that_went_to_somebody_else_is_lost(made: Any) -> None:
    room = made(1)
    ann, bob = room.sit(), room.sit("p-bob")
    token = task(ann.state()).token
    assert bob.state() == Finished(held_by_others=True)
    room.minutes(20)
    found = task(bob.state())
    for action in (
        lambda: ann.decide(token, Choice.REJECT),
        lambda: ann.answer(token, safe_is_safe="no"),
        lambda: ann.uncover(token, "safe text"),
        lambda: ann.skip(token),
    ):
        with pytest.raises(ReviewError, match="pair was reassigned"):
            action()
    bob.decide(found.token, Choice.REJECT)
    assert room.count(tables.item, tables.item.c.decided > tables.item.c.needed) == 0
    intact(room)


def test_a_place_that_nobody_wanted_is_still_there(made: Any) -> None:
    room = made()
    desk = room.sit()
    token = task(desk.state()).token
    room.minutes(21)
    assert desk.decide(token, Choice.REJECT) == 4
    intact(room)


def test_a_verdict_that_comes_as_time_runs_out_is_kept(made: Any) -> None:
    room = made()
    desk = room.sit()
    token = task(desk.state()).token
    room.minutes(25.5)
    assert desk.decide(token, Choice.REJECT) == 4
    assert not isinstance(desk.state(), Finished)


def test_a_stop_long_after_takes_no_minutes_of_the_day(made: Any) -> None:
    room = made(minutes_per_session=1_000.0)
    desk = room.sit()
    reject(desk)
    room.minutes(5)
    reject(desk)
    room.minutes(200)
    desk.stop()
    state = desk.state()
    assert isinstance(state, Consent), "the break has passed, too"
    assert state.left.minutes == pytest.approx(115)


def test_erasing_after_midnight_leaves_the_session_that_runs(made: Any) -> None:
    room = made()
    room.minutes(12 * 60 - 1)
    desk = room.sit()
    room.minutes(2)
    reject(desk)
    before = task(desk.state())
    with room.database.write() as connection:
        exposure.erase(connection, "p-ann", sessions.today(room.now))
    # Erasing also forgets what could be undone.
    assert task(desk.state()) == replace(before, undoable=None)


def test_a_category_that_changes_reaches_who_opted_out_of_it(made: Any, tmp_path: Path) -> None:
    room = made(3)
    room.sit(opted_out=["violence"])
    changed = write_set(tmp_path / "set", ["violence", "weapons", "weapons"])
    open_review(room.database, changed, update=True)
    desk = Desk(room.database, changed, "p-ann", lambda: room.now)
    assert [reject(desk), reject(desk)] == ["pair-1", "pair-2"]
    assert isinstance(desk.state(), Finished)
    assert room.count(tables.item, tables.item.c.severity == 3) == 1


def test_a_desk_reads_no_table_whole(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "review.sqlite"), create=True)
    room = Room(database, tmp_path / "set", ["weapons"] * 20, overlap=2)
    read: list[str] = []

    def look(run: Any, _: Any, statement: str, values: Any, *rest: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            plan = run.connection.driver_connection.execute(
                f"EXPLAIN QUERY PLAN {statement}", values
            )
            read.extend(row[3] for row in plan)

    desk = room.sit()
    sa.event.listen(sa.Engine, "before_cursor_execute", look)
    try:
        first = task(desk.state())  # before their first verdict
        accept(desk)
        desk.undo()
        accept(desk)
        desk.skip(task(desk.state()).token)
        desk.state()
        desk.stop()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", look)
    database.close()
    assert first.pair_id == "pair-0"
    # One row, few rows, and the queue from its beginning on to the first pair that fits.
    allowed = {
        "SCAN head",
        "SCAN reservation",
        "SCAN reservation USING INDEX ix_reservation_pair_id",
    }
    whole = {what for what in read if what.startswith("SCAN")}
    assert whole - allowed == {"SCAN item USING INDEX item_open"}
    # The last of what somebody did, not all of it.
    assert any("ix_action_account_id (account_id=?)" in what for what in read)
