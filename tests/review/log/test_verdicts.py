"""The log, and whether what is said to hold now follows from it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.desks import LEAD, Room, accept, reject

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.chain.links import Link
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.adjudication import settle
from nsfwcaps.review.log.answers import Answers, Choice
from nsfwcaps.review.log.verdicts import timestamp
from nsfwcaps.review.people import accounts
from nsfwcaps.review.people.accounts import PasswordHash, Role
from nsfwcaps.review.queue import gold, guidelines
from nsfwcaps.review.queue.guidelines import Guidelines
from nsfwcaps.review.queue.opening import open_review


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
        assert [link.seq for link in verdicts.links(connection)] == list(range(1, 13))
    assert head[0] == 12
    assert verify(room, noted=head) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE verdict SET body = '{}' WHERE seq = 6", "row 6 was changed"),
        ("UPDATE verdict SET account_id = 'p-cy' WHERE seq = 6", "row 6 was changed"),
        ("UPDATE verdict SET seq = 99 WHERE seq = 12", "rows 12 to 98 are missing"),
        ("DELETE FROM verdict WHERE seq = 12", "row 12 is missing at the end"),
        ("DELETE FROM verdict WHERE seq = 2", "row 2 is missing"),
        ("UPDATE head SET seq = 11", "the log ends at row 12, but the last row written is 11"),
        ("UPDATE head SET hash = 'x'", "row 12 differs from the last row written"),
        ("DELETE FROM decision WHERE account_id = 'p-bob'", "current verdicts"),
        ("UPDATE decision SET account_id = 'p-cy' WHERE account_id = 'p-bob'", "current verdicts"),
        ("INSERT INTO decision VALUES ('p-cy', 'pair-0', 3)", "current verdicts"),
        ("UPDATE item SET decided = 1 WHERE pair_id = 'pair-0'", "number of verdicts"),
        ("UPDATE item SET decided = 2 WHERE pair_id = 'pair-4'", "number of verdicts"),
        ("UPDATE item SET settled = 1 WHERE pair_id = 'pair-0'", "leads' decisions"),
        ("UPDATE item SET aside = 4 WHERE pair_id = 'pair-0'", "disputes set aside"),
        ("UPDATE item SET asked = 1 WHERE pair_id = 'pair-0'", "ask the lead"),
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


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE item SET needed = 1 WHERE pair_id = 'pair-0'", "item.needed"),
        ("UPDATE item SET needed = 1", "item.needed"),
        ("UPDATE item SET category = 'smoking' WHERE pair_id = 'pair-0'", "item.category"),
        ("UPDATE item SET severity = 3 WHERE pair_id = 'pair-0'", "item.severity"),
        ("UPDATE item SET stage = 'hard' WHERE pair_id = 'pair-0'", "item.stage"),
        ("UPDATE item SET reason = 'control' WHERE pair_id = 'pair-0'", "item.reason"),
        ("UPDATE item SET position = 5 - position", "item.position"),
        ("UPDATE item SET gone = TRUE WHERE pair_id = 'pair-4'", "item.gone"),
        ("DELETE FROM item WHERE pair_id = 'pair-4'", "item.pair_id"),
        ("UPDATE item SET pair_id = 'pair-9' WHERE pair_id = 'pair-4'", "item.pair_id"),
        ("UPDATE meta SET value = '{}' WHERE key = 'policy'", "meta.policy"),
        (
            """UPDATE meta SET value = replace(value, '"overlap": 2', '"overlap": 1')
            WHERE key = 'policy'""",
            "meta.policy",
        ),
        ("DELETE FROM meta WHERE key = 'policy'", "meta.policy"),
        ("""UPDATE meta SET value = '"x"' WHERE key = 'data'""", "meta.data"),
        ("UPDATE account SET role = 'lead' WHERE account_id = 'p-ann'", "accounts (p-ann)"),
        ("UPDATE account SET disabled = TRUE WHERE account_id = 'p-bob'", "accounts (p-bob)"),
        ("DELETE FROM account WHERE account_id = 'p-dee'", "accounts (p-dee)"),
        (
            """INSERT INTO account (account_id, name, name_key, password_hash, role, created,
            disabled) VALUES ('p-eve', 'Eve', 'eve', '-', 'lead', 0, FALSE)""",
            "accounts (p-eve)",
        ),
        (
            """UPDATE account SET role = CASE role WHEN 'lead' THEN 'annotator' ELSE 'lead' END
            WHERE account_id IN ('p-lea', 'p-bob')""",
            "accounts (p-bob, p-lea)",
        ),
    ],
)
def test_roles_rules_and_the_queue_are_covered(room: Room, change: str, found: str) -> None:
    room.run(change)
    (said,) = verify(room)
    assert found in said
    assert said.endswith("does not match the log; the table was changed")


def test_guidelines_that_were_logged_are_covered(room: Room) -> None:
    with room.database.write() as connection:
        guidelines.keep(connection, Guidelines(html="<p>Look twice.</p>", sha256="1"))
        guidelines.keep(connection, Guidelines(html="<p>Look twice.</p>", sha256="1"))  # no row
        assert verdicts.head_of(connection)[0] == 13
    assert verify(room) == []
    room.run("UPDATE meta SET value = replace(value, 'twice', 'away') WHERE key = 'guidelines'")
    assert "the guidelines (meta.guidelines)" in verify(room)[0]
    room.run("DELETE FROM meta WHERE key = 'guidelines'")
    assert "the guidelines (meta.guidelines)" in verify(room)[0]


def test_guidelines_that_nobody_logged_are_noticed(room: Room) -> None:
    room.run("""INSERT INTO meta VALUES ('guidelines', '{"html": "<p>Look away.</p>"}')""")
    assert "the guidelines (meta.guidelines)" in verify(room)[0]


def test_a_preference_is_free(room: Room) -> None:
    room.run("INSERT INTO preference VALUES ('p-ann', 'keys', '{}')")
    room.run("DELETE FROM preference")
    assert verify(room) == []


def test_a_role_that_was_taken_for_a_while_shows_in_what_was_done_with_it(room: Room) -> None:
    room.run("UPDATE account SET role = 'lead' WHERE account_id = 'p-cy'")
    with room.database.write() as connection:
        settle(connection, "p-cy", "pair-4", Answers(choice=Choice.REJECT), room.now)
    room.run("UPDATE account SET role = 'annotator' WHERE account_id = 'p-cy'")
    assert verify(room) == ["row 13 settles a pair, but p-cy was not a lead then"]


def test_changes_of_roles_are_logged_with_who_made_them(room: Room) -> None:
    with room.database.write() as connection:
        accounts.set_role(connection, "p-ann", Role.LEAD, by=LEAD)
        accounts.disable(connection, "p-bob")
        accounts.set_role(connection, "p-ann", Role.LEAD, by=LEAD)  # as it is: no row
        made = accounts.create(
            connection, "Eve", PasswordHash("-"), Role.ANNOTATOR, room.now, by=LEAD
        )
        rows = list(verdicts.links(connection))[12:]
    assert [(row.kind, row.account_id, row.pair_id, row.body) for row in rows] == [
        ("account", LEAD, "", '{"accounts": {"p-ann": {"role": "lead"}}}'),
        ("account", "", "", '{"accounts": {"p-bob": {"disabled": true}}}'),
        (
            "account",
            LEAD,
            "",
            f'{{"accounts": {{"{made.account_id}": {{"disabled": false, "role": "annotator"}}}}}}',
        ),
    ]
    assert verify(room) == []
    room.run("UPDATE account SET role = 'annotator' WHERE account_id = 'p-ann'")
    assert "accounts (p-ann)" in verify(room)[0]


def test_another_change_is_not_logged_over_one_behind_the_back(room: Room) -> None:
    room.run("UPDATE item SET needed = 1 WHERE pair_id = 'pair-0'")
    with pytest.raises(ReviewError, match=r"item.needed.*Nothing was written; restore"):
        open_review(room.database, room.pairs, {"overlap": 3})
    room.run("UPDATE item SET needed = 2")
    open_review(room.database, room.pairs, {"overlap": 3})
    assert verify(room) == []
    # An account's change names that account alone.
    room.run("UPDATE account SET role = 'lead' WHERE account_id = 'p-ann'")
    with room.database.write() as connection:
        accounts.disable(connection, "p-bob")
    assert "accounts (p-ann)" in verify(room)[0]


def test_the_state_is_logged_only_once(room: Room, address: str) -> None:
    room.run("UPDATE item SET needed = 1")
    room.run("UPDATE meta SET value = '1' WHERE key = 'version'")
    Database(address).close()
    assert verify(room) == ["row 13 logs the whole state a second time"]


def forge(room: Room, kind: str, who: str, pair: str, body: str) -> None:
    """Append a row whose hash fits, as whoever can write the database could."""
    with room.database.write() as connection:
        seq, last = verdicts.head_of(connection)
        row = Link(seq=seq + 1, at="2001-09-09", account_id=who, pair_id=pair, kind=kind,
                   body=body, previous=last).sealed()  # fmt: skip
        connection.execute(sa.insert(tables.verdict).values(**asdict(row)))
        connection.execute(sa.update(tables.head).values(seq=row.seq, hash=row.hash))


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (("judge", "p-ann", "pair-0", '{"choice": "reject"}'), "is a second verdict"),
        (("judge", "p-eve", "pair-0", '{"choice": "reject"}'), "an account that was not there"),
        (("undo", "p-ann", "pair-0", '{"undoes": 5}'), "undoes a verdict that did not hold"),
        (("settle", "p-ann", "pair-0", '{"choice": "reject"}'), "p-ann was not a lead"),
        (("account", "p-lea", "", "[]"), "row 13 cannot be read"),
    ],
)
def test_a_row_that_contradicts_those_before_is_found(
    room: Room, row: tuple[str, str, str, str], found: str
) -> None:
    forge(room, *row)
    assert found in verify(room)[0]


def test_a_row_of_a_later_version_is_said_to_be_one(room: Room) -> None:
    forge(room, "praise", LEAD, "pair-0", "{}")
    with pytest.raises(ReviewError, match=r"row 13 .* later version wrote it: update nsfwcaps"):
        verify(room)


def test_a_rewritten_log_is_told_by_a_head_that_was_noted(room: Room) -> None:
    with room.database.read() as connection:
        noted = verdicts.head_of(connection)
        rows = list(verdicts.links(connection))
        first = rows[0].previous
    room.run("DELETE FROM decision WHERE seq > 5")
    room.run("DELETE FROM verdict WHERE seq > 5")
    room.run("UPDATE item SET decided = 0, gold = NULL")
    room.run("UPDATE item SET decided = 1 WHERE pair_id IN ('pair-0', 'pair-1')")
    room.run(f"UPDATE head SET seq = 5, hash = '{rows[4].hash}'")
    assert verify(room) == []
    assert verify(room, noted=noted) == [
        "the log ends at row 5, before the noted row 12: it is an older copy, or rows were removed"
    ]
    assert verify(room, noted=(0, first)) == []
    assert verify(room, noted=(5, "0" * 64)) == [
        "row 5 differs from the noted one: the log up to it was rewritten"
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
