from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from support import small_review

from nsfwcaps.errors import InputError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.people import keys
from nsfwcaps.review.people.keys import DEFAULTS, Keys

ANN = "p-ann"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(str(tmp_path / "review.sqlite"), create=True)
    small_review.begin(made, small_review.pair_set(tmp_path / "dataset"))
    return made


def kept(database: Database, account: str = ANN) -> Keys:
    with database.read() as connection:
        return keys.of(connection, account)


def save(database: Database, given: dict[str, str], off: bool = False) -> None:
    with database.write() as connection:
        keys.save(connection, ANN, given, off)


def stored(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(sa.select(tables.preference.c.value)).scalars())


def test_defaults_share_no_key_at_all() -> None:
    assert len(DEFAULTS) == 36
    assert len(set(DEFAULTS.values())) == 36
    assert DEFAULTS["safe_is_safe yes"] == "Y"
    assert DEFAULTS["unsafe_is_unsafe yes"] == "H"
    assert DEFAULTS["category right"] == "T"
    assert DEFAULTS["category E"] == "E"


def test_changes_are_kept_for_one_person_and_defaults_come_back(database: Database) -> None:
    save(database, {"skip": "shift + k", "undo": "Z"}, off=True)
    assert [json.loads(value) for value in stored(database)] == [{"skip": "Shift+K", "off": True}]
    assert kept(database) == Keys(off=True, of_command={**DEFAULTS, "skip": "Shift+K"})
    assert kept(database, "p-bob") == Keys(off=False, of_command=DEFAULTS)
    save(database, {})
    assert kept(database) == Keys(off=False, of_command=DEFAULTS)
    assert stored(database) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        # On the screen at the same time.
        ({"skip": "Y"}, "the key Y would be both 'The safe side is safe: yes' and 'Skip the pair'"),
        ({"meaning 1": "2"}, "the key 2 would be both"),
        ({"undo": "6"}, "the key 6 would be both 'Category of the key: 6' and 'Undo'"),
        ({"guidelines": "V", "comment": "P"}, "would be both"),
        # One question after the other.
        ({"unsafe_is_unsafe yes": "Y"}, "the key Y would be both"),
        ({"category right": "H"}, "the key H would be both"),
        ({"meaning 1": "T"}, "the key T would be both"),
        ({"choice reject": "5"}, "the key 5 would be both"),
        ({"choice reject": "L"}, "the key L would be both"),  # after a side that failed
        ({"choice accept": "Y"}, "the key Y would be both"),  # before the next pair
        # No keys.
        ({"skip": "é"}, "'é' is not a key"),
        ({"skip": ""}, "'' is not a key"),
        ({"skip": "Shift+1"}, "'Shift\\+1' is not a key"),
        ({"skip": "Ctrl+K"}, "'Ctrl\\+K' is not a key"),
        ({"skip": "ß"}, "'ß' is not a key"),
        ({"skip": "r"}, "the page itself uses the keys C and R"),
        ({"jump": "E"}, "unknown command 'jump'"),
    ],
)
def test_what_could_be_confused_is_refused_and_nothing_is_kept(
    database: Database, given: dict[str, str], told: str
) -> None:
    save(database, {"skip": "Shift+K"})
    with pytest.raises(InputError, match=told):
        save(database, given)
    assert stored(database) == ['{"skip": "Shift+K"}']


@pytest.mark.parametrize(
    "given",
    [
        {"skip": "Y", "safe_is_safe yes": "K"},  # exchanged
        {"category right": "Y"},  # two questions lie between them
        {"meaning 1": "H", "choice accept": "T"},
        {"safe text": "Shift+C"},
    ],
)
def test_what_cannot_be_confused_is_kept(database: Database, given: dict[str, str]) -> None:
    save(database, given)
    assert kept(database).of_command == {**DEFAULTS, **given}


def test_changes_of_commands_that_are_gone_or_clash_by_now_count_as_not_made(
    database: Database,
) -> None:
    row = {"account_id": ANN, "key": "keys", "value": '{"jump": "E", "off": true}'}
    with database.write() as connection:
        connection.execute(sa.insert(tables.preference).values(row))
    assert kept(database) == Keys(off=True, of_command=DEFAULTS)
