"""The log, and whether what is said to hold now follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.desks import LEAD, Room, accept, reject

from nsfwcaps.errors import ReviewError
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.answers import Answers, Choice
from nsfwcaps.review.log.verdicts import timestamp
from nsfwcaps.review.queue import gold


@pytest.fixture
def room(database: Database, tmp_path: Path) -> Room:
    """Verdicts of two people, one undone, and a known answer."""
    made = Room(database, tmp_path / "set", ["weapons"] * 6, overlap=2)
    for who in ("p-ann", "p-bob"):
        desk = made.sit(who)
        accept(desk)
        reject(desk)
        reject(desk)
        desk.undo()
    known = {"pair_id": "pair-5", **Answers(choice=Choice.REJECT).as_json()}
    with database.write() as connection:
        gold.set_gold(connection, LEAD, [gold.GoldRow(number=1, values=known)], made.now)
    return made


def verify(room: Room, noted: tuple[int, str] | None = None) -> list[str]:
    with room.database.read() as connection:
        return verdicts.verify(connection, noted)


def test_a_log_that_nobody_touched(room: Room) -> None:
    assert verify(room) == []
    with room.database.read() as connection:
        head = verdicts.head_of(connection)
        assert [link.seq for link in verdicts.links(connection)] == list(range(1, 10))
    assert head[0] == 9
    assert verify(room, noted=head) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE verdict SET body = '{}' WHERE seq = 3", "row 3 was changed"),
        ("UPDATE verdict SET account_id = 'p-cy' WHERE seq = 3", "row 3 was changed"),
        ("UPDATE verdict SET seq = 99 WHERE seq = 9", "rows 9 to 98 are missing"),
        ("DELETE FROM verdict WHERE seq = 9", "row 9 is missing at the end"),
        ("DELETE FROM verdict WHERE seq = 4", "row 4 is missing"),
        ("UPDATE head SET seq = 8", "the log ends at row 9, but the last row written is 8"),
        ("UPDATE head SET hash = 'x'", "row 9 differs from the last row written"),
        ("DELETE FROM decision WHERE account_id = 'p-bob'", "current verdicts"),
        ("UPDATE decision SET account_id = 'p-cy' WHERE account_id = 'p-bob'", "current verdicts"),
        ("UPDATE item SET decided = 1 WHERE pair_id = 'pair-0'", "number of verdicts"),
        ("UPDATE item SET decided = 2 WHERE pair_id = 'pair-4'", "number of verdicts"),
        ("UPDATE item SET settled = 1 WHERE pair_id = 'pair-0'", "leads' decisions"),
        ("UPDATE item SET gold = NULL WHERE pair_id = 'pair-5'", "known answers"),
        ("UPDATE item SET gold = '{}' WHERE pair_id = 'pair-1'", "known answers"),
        (
            """UPDATE meta SET value = '"other"' WHERE key = 'review_id'""",
            "row 1 does not follow from row 0",
        ),
    ],
)
def test_changes_behind_the_back_are_found(room: Room, change: str, found: str) -> None:
    room.run(change)
    said = verify(room)
    assert found in "\n".join(said)
    assert "handgun" not in "\n".join(said)


def test_a_rewritten_log_is_told_by_a_head_that_was_noted(room: Room) -> None:
    with room.database.read() as connection:
        noted = verdicts.head_of(connection)
        rows = list(verdicts.links(connection))
        first = rows[0].previous
    for link in rows[3:]:
        room.run(f"UPDATE verdict SET previous = '-' WHERE seq = {link.seq}")
    room.run("DELETE FROM decision WHERE seq > 2")
    room.run("DELETE FROM verdict WHERE seq > 2")
    room.run("UPDATE item SET decided = 0, gold = NULL")
    room.run("UPDATE item SET decided = 1 WHERE pair_id IN ('pair-0', 'pair-1')")
    room.run(f"UPDATE head SET seq = 2, hash = '{rows[1].hash}'")
    assert verify(room) == []
    assert verify(room, noted=noted) == ["the noted row 9 is missing"]
    assert verify(room, noted=(0, first)) == []
    assert verify(room, noted=(2, "0" * 64)) == [
        "row 2 differs from the noted one: the log up to it was rewritten"
    ]


def test_a_log_without_its_head(room: Room) -> None:
    room.run("DELETE FROM head")
    with pytest.raises(ReviewError, match="head of the log is missing"):
        verify(room)
    with pytest.raises(ReviewError, match="head of the log is missing"):
        reject(room.desk("p-ann"))


def test_times_sort_as_text() -> None:
    times = [0.0, 0.5, 1e9, 1e9 + 1e-6, 4e9]
    texts = [timestamp(time) for time in times]
    assert texts == sorted(texts)
    assert texts[2] == "2001-09-09T01:46:40.000000+00:00"
