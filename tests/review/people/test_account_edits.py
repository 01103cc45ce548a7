"""What a lead does to accounts: they are added and changed, or nothing is written."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review.database import Database
from nsfwcaps.review.people import account_edits, accounts, logins
from nsfwcaps.review.people.account_edits import Change
from nsfwcaps.review.people.accounts import Account, Role

SECRET = "correct-horse-battery"
NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64))


def everyone(database: Database) -> list[Account]:
    with database.read() as connection:
        return accounts.everyone(connection)


def test_an_added_account_can_sign_in(database: Database) -> None:
    made = account_edits.add(database, "  Anna ", SECRET, Role.LEAD, NOW)
    assert (made.name, made.role, made.disabled) == ("Anna", Role.LEAD, False)
    assert everyone(database) == [made]
    token = logins.sign_in(database, "anna", SECRET, NOW)
    assert logins.resume(database, token, NOW) == made


@pytest.mark.parametrize(
    ("name", "password", "message"),
    [
        ("ANNA", SECRET, "the name 'ANNA' is taken; choose another"),
        ("Berta", "short", "at least 10 characters"),
        ("Berta Berta", "berta berta", "must differ from the name"),
        ("  ", SECRET, "a name must have 1 to 64 characters"),
    ],
)
def test_an_account_that_is_refused_is_not_added(
    database: Database, name: str, password: str, message: str
) -> None:
    anna = account_edits.add(database, "Anna", SECRET, Role.LEAD, NOW)
    with pytest.raises(InputError, match=message):
        account_edits.add(database, name, password, Role.ANNOTATOR, NOW)
    assert everyone(database) == [anna]


@pytest.mark.parametrize(
    ("change", "role", "disabled"),
    [
        (Change.MAKE_ANNOTATOR, Role.ANNOTATOR, False),
        (Change.MAKE_LEAD, Role.LEAD, False),
        (Change.DISABLE, Role.LEAD, True),
        (Change.ENABLE, Role.LEAD, False),
    ],
)
def test_each_change_does_what_it_says(
    database: Database, change: Change, role: Role, disabled: bool
) -> None:
    account_edits.add(database, "Anna", SECRET, Role.LEAD, NOW)
    berta = account_edits.add(database, "Berta", SECRET, Role.LEAD, NOW)
    account_edits.apply(database, berta.account_id, change)
    found = everyone(database)[1]
    assert (found.name, found.role, found.disabled) == ("Berta", role, disabled)


def test_changes_are_taken_back_by_their_opposites(database: Database) -> None:
    account_edits.add(database, "Anna", SECRET, Role.LEAD, NOW)
    berta = account_edits.add(database, "Berta", SECRET, Role.ANNOTATOR, NOW)
    token = logins.sign_in(database, "Berta", SECRET, NOW)
    account_edits.apply(database, berta.account_id, Change.DISABLE)
    assert logins.resume(database, token, NOW) is None
    account_edits.apply(database, berta.account_id, Change.ENABLE)
    assert logins.resume(database, token, NOW) is None
    account_edits.apply(database, berta.account_id, Change.MAKE_LEAD)
    account_edits.apply(database, berta.account_id, Change.MAKE_ANNOTATOR)
    assert everyone(database)[1] == berta


@pytest.mark.parametrize("change", [Change.MAKE_ANNOTATOR, Change.DISABLE])
def test_the_last_lead_stays(database: Database, change: Change) -> None:
    anna = account_edits.add(database, "Anna", SECRET, Role.LEAD, NOW)
    with pytest.raises(ReviewError, match="'Anna' is the last lead"):
        account_edits.apply(database, anna.account_id, change)
    assert everyone(database) == [anna]


@pytest.mark.parametrize("change", list(Change))
def test_an_unknown_account_is_not_changed(database: Database, change: Change) -> None:
    with pytest.raises(InputError, match="no such account"):
        account_edits.apply(database, "p-0", change)
