"""Accounts: names, passwords, roles, and that somebody is always left to lead."""

from __future__ import annotations

import multiprocessing
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review.database import Database
from nsfwcaps.review.people import accounts
from nsfwcaps.review.people.accounts import Account, PasswordHash, Role

SECRET = "correct-horse-battery"
NO_HASH = PasswordHash("no hash")


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64))


def add(database: Database, name: str, role: Role = Role.ANNOTATOR) -> Account:
    with database.write() as connection:
        return accounts.create(connection, name, NO_HASH, role, 0.0)


def names(database: Database) -> list[str]:
    with database.read() as connection:
        return [account.name for account in accounts.everyone(connection)]


def test_accounts_are_found_by_any_spelling_of_the_name(database: Database) -> None:
    made = add(database, "  Zoë Straße ")
    assert made.name == "Zoë Straße"
    with database.read() as connection:
        for spelling in ("zoë STRASSE", "Zoe\u0308 Straße", "\uff3aoë Straße "):
            assert accounts.find(connection, spelling) == made
        assert accounts.get(connection, made.account_id) == made


def test_accounts_are_listed_by_name(database: Database) -> None:
    with database.read() as connection:
        assert not accounts.any_exist(connection)
    for name in ("berta", "Anna", "Carl"):
        add(database, name)
    assert names(database) == ["Anna", "berta", "Carl"]
    with database.read() as connection:
        assert accounts.any_exist(connection)


def test_pseudonyms_are_random(database: Database) -> None:
    made = [add(database, f"person {number}").account_id for number in range(5)]
    assert len(set(made)) == 5
    assert all(re.fullmatch("p-[0-9a-f]{10}", account_id) for account_id in made)


@pytest.mark.parametrize("name", ["", "   ", "a" * 65, "\ufdfa" * 4, "a" * 10_000, " " * 300])
def test_names_have_a_length(database: Database, name: str) -> None:
    with pytest.raises(InputError, match="a name must have 1 to 64 characters"):
        add(database, name)


@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "a\u202eb", "a\u200bb", "a\ud800b"])
def test_names_can_be_seen(database: Database, name: str) -> None:
    with pytest.raises(InputError, match="unprintable characters"):
        add(database, name)


def test_a_name_is_taken_once(database: Database) -> None:
    add(database, "Anna")
    with pytest.raises(InputError, match="'ANNA' is taken"):
        add(database, "ANNA")
    assert names(database) == ["Anna"]


def create_named(name: str, number: int) -> str:
    """Run in a process of its own."""
    database = Database(name)
    try:
        return add(database, f"{'ANNA'[:number]}{'anna'[number:]}").account_id
    except InputError as error:
        return str(error)
    finally:
        database.close()


def test_two_processes_create_the_same_name_once(database: Database) -> None:
    address = database._url.render_as_string(hide_password=False)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        said = pool.starmap(create_named, [(address, number) for number in range(4)], chunksize=1)
    assert sum(line.startswith("p-") for line in said) == 1
    assert sum("is taken" in line for line in said) == 3
    assert len(names(database)) == 1


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short-one", "at least 10"),
        ("x" * 1_025, "at most 1,024"),
        ("ANNA KARENINA", "must differ from the name"),
    ],
)
def test_passwords_that_cannot_be(password: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as caught:
        accounts.hash_password("Anna Karenina", password)
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    "password", ["0123456789", "é" * 1_024, "ten\x00zeros and more", "\ud800" * 10]
)
def test_passwords_are_recognized(password: str) -> None:
    known = accounts.hash_password("anna", password)
    assert accounts.is_password(known, password)
    assert not accounts.is_password(known, password + "x")
    assert not accounts.is_password(known, "")


def test_an_accent_may_be_typed_in_two_ways() -> None:
    known = accounts.hash_password("anna", "un café à Paris")
    assert accounts.is_password(known, "un cafe\u0301 a\u0300 Paris")


def test_nobodys_password_fits_nothing() -> None:
    assert not accounts.is_password(None, SECRET)
    assert not accounts.is_password(NO_HASH, SECRET)


def test_nobodys_hash_costs_what_a_real_one_does() -> None:
    hasher = PasswordHasher()  # of the parameters that the module has outside tests
    assert not hasher.check_needs_rehash(accounts._NOBODYS)
    parameters = accounts._NOBODYS.rsplit("$", 2)[0]
    assert hasher.hash(SECRET).startswith(parameters + "$")


def test_hashes_are_argon2id_with_a_salt() -> None:
    first, second = (accounts.hash_password("anna", SECRET) for _ in range(2))
    assert first != second
    assert first.startswith("$argon2id$")


def test_a_hash_is_renewed_only_where_parameters_changed() -> None:
    old = PasswordHash(PasswordHasher(1, 64, 1, type=Type.I).hash(SECRET))
    renewed = accounts.rehashed(old, SECRET)
    assert accounts.is_password(renewed, SECRET)
    assert accounts.rehashed(renewed, SECRET) == renewed != old


def test_no_password_is_in_the_file_in_clear(database: Database) -> None:
    password_hash = accounts.hash_password("anna", SECRET)
    with database.write() as connection:
        accounts.create(connection, "anna", password_hash, Role.LEAD, 0.0)
    if not database.is_sqlite:
        pytest.skip("a server's files are not ours to read")
    files = [path.read_bytes() for path in Path(database.name).parent.iterdir() if path.is_file()]
    assert any(b"argon2id" in content for content in files)
    assert not any(SECRET.encode() in content for content in files)


def test_roles_change(database: Database) -> None:
    anna, berta = add(database, "anna", Role.LEAD), add(database, "berta")
    with database.write() as connection:
        accounts.set_role(connection, berta.account_id, Role.LEAD)
        accounts.set_role(connection, anna.account_id, Role.ANNOTATOR)
        assert accounts.get(connection, anna.account_id).role is Role.ANNOTATOR
        assert accounts.get(connection, berta.account_id).role is Role.LEAD


def test_somebody_is_always_left_to_lead(database: Database) -> None:
    anna, berta = add(database, "anna", Role.LEAD), add(database, "berta", Role.LEAD)
    add(database, "carl")
    with database.write() as connection:
        accounts.disable(connection, berta.account_id)
        accounts.set_role(connection, anna.account_id, Role.LEAD)
        for change in (
            lambda: accounts.disable(connection, anna.account_id),
            lambda: accounts.set_role(connection, anna.account_id, Role.ANNOTATOR),
        ):
            with pytest.raises(ReviewError, match="'anna' is the last lead"):
                change()
        accounts.set_role(connection, berta.account_id, Role.ANNOTATOR)
        accounts.enable(connection, berta.account_id)
        assert not accounts.get(connection, berta.account_id).disabled
        with pytest.raises(ReviewError, match="last lead"):
            accounts.disable(connection, anna.account_id)


def test_two_leads_cannot_shut_each_other_out(database: Database) -> None:
    pair = [add(database, name, Role.LEAD) for name in ("anna", "berta")]

    def shut_out(account: Account) -> bool:
        try:
            with database.write() as connection:
                accounts.disable(connection, account.account_id)
        except ReviewError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(shut_out, pair)) == [False, True]


def test_unknown_accounts_are_errors(database: Database) -> None:
    with database.write() as connection:
        with pytest.raises(InputError, match="unknown name 'dora'"):
            accounts.find(connection, "dora")
        for change in (
            lambda: accounts.get(connection, "p-0"),
            lambda: accounts.enable(connection, "p-0"),
            lambda: accounts.disable(connection, "p-0"),
            lambda: accounts.set_role(connection, "p-0", Role.LEAD),
            lambda: accounts.set_password(connection, "p-0", NO_HASH),
        ):
            with pytest.raises(InputError, match="no such account"):
                change()
