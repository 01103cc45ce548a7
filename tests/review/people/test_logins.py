"""Signing in: tokens and their life, the wait after wrong tries, the code of the first lead."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.people import accounts, logins
from nsfwcaps.review.people.accounts import Account, Role
from nsfwcaps.review.people.logins import LoginRefused

SECRET = "correct-horse-battery"
WRONG = "wrong-horse-battery"
NOW = 1_800_000_000.0
MINUTE, HOUR = 60.0, 3_600.0


class CountedHasher(PasswordHasher):
    """Quick, and tells how often it was asked."""

    def __init__(self, time_cost: int = 1) -> None:
        super().__init__(time_cost=time_cost, memory_cost=64)
        self.calls: list[str] = []
        self.during: Callable[[], object] = lambda: None

    def hash(self, *arguments: Any, **options: Any) -> str:
        self.calls.append("hash")
        return super().hash(*arguments, **options)

    def verify(self, *arguments: Any) -> Any:
        self.calls.append("verify")
        self.during()
        return super().verify(*arguments)


@pytest.fixture(autouse=True)
def hasher(monkeypatch: pytest.MonkeyPatch) -> CountedHasher:
    counted = CountedHasher()
    monkeypatch.setattr(accounts, "_HASHER", counted)
    monkeypatch.setattr(accounts, "_NOBODYS", accounts.no_password())
    return counted


@pytest.fixture
def anna(database: Database, hasher: CountedHasher) -> Account:
    """A lead."""
    return add(database, "Anna", hasher, Role.LEAD)


@pytest.fixture
def berta(database: Database, hasher: CountedHasher, anna: Account) -> Account:
    """An annotator beside a lead."""
    return add(database, "Berta", hasher, Role.ANNOTATOR)


def add(database: Database, name: str, hasher: CountedHasher, role: Role) -> Account:
    password_hash = accounts.hash_password(name, SECRET)
    hasher.calls.clear()
    with database.write() as connection:
        return accounts.create(connection, name, password_hash, role, NOW)


def who(database: Database, token: str, now: float) -> Account | None:
    with database.read() as connection:
        return logins.signed_in(connection, token, now)


def rows(database: Database, table: sa.Table) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(sa.select(table)))


def refusal(database: Database, name: str, password: str, now: float) -> LoginRefused:
    with pytest.raises(LoginRefused) as caught:
        logins.sign_in(database, name, password, now)
    return caught.value


def test_who_knows_the_password_is_signed_in(database: Database, anna: Account) -> None:
    token = logins.sign_in(database, " ANNA ", SECRET, NOW)
    assert who(database, token, NOW) == anna
    assert logins.resume(database, token, NOW) == anna


def test_of_a_token_only_the_hash_is_kept(database: Database, anna: Account) -> None:
    token = logins.sign_in(database, "anna", SECRET, NOW)
    (row,) = rows(database, tables.login)
    assert row.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert len(token) == 43
    if database.is_sqlite:
        files = [path for path in Path(database.name).parent.iterdir() if path.is_file()]
        assert not any(
            secret.encode() in path.read_bytes() for path in files for secret in (token, SECRET)
        )


@pytest.mark.parametrize("token", ["", "x" * 43, "\x00", "\ud800", "y" * 100_000])
def test_other_tokens_are_nobodys(database: Database, anna: Account, token: str) -> None:
    assert who(database, token, NOW) is None
    assert logins.resume(database, token, NOW) is None


def test_signing_out_ends_one_login(database: Database, anna: Account) -> None:
    first, second = (logins.sign_in(database, "anna", SECRET, NOW) for _ in range(2))
    for _ in range(2):
        logins.sign_out(database, first)
    assert who(database, first, NOW) is None
    assert who(database, second, NOW) == anna


def test_a_changed_password_ends_all_logins_but_the_new_one(
    database: Database, anna: Account
) -> None:
    before = [logins.sign_in(database, "anna", SECRET, NOW) for _ in range(2)]
    token = logins.change_password(database, anna, SECRET, "another-horse-battery", NOW)
    assert [who(database, old, NOW) for old in before] == [None, None]
    assert who(database, token, NOW) == anna
    with pytest.raises(LoginRefused):
        logins.sign_in(database, "anna", SECRET, NOW)
    assert (
        who(database, logins.sign_in(database, "anna", "another-horse-battery", NOW), NOW) == anna
    )


def test_a_password_that_is_refused_is_not_changed(database: Database, anna: Account) -> None:
    token = logins.sign_in(database, "anna", SECRET, NOW)
    with pytest.raises(InputError, match="at least 10 characters"):
        logins.change_password(database, anna, SECRET, "short", NOW)
    for _ in range(logins.FREE_TRIES):
        with pytest.raises(LoginRefused, match="wrong name or password"):
            logins.change_password(database, anna, WRONG, "another-horse-battery", NOW)
        assert who(database, token, NOW) == anna
    # Wrong tries wait here as they do for signing in.
    with pytest.raises(LoginRefused, match="too many failed attempts"):
        logins.change_password(database, anna, SECRET, "another-horse-battery", NOW)
    assert who(database, logins.sign_in(database, "anna", SECRET, NOW + HOUR), NOW) == anna


def test_an_idle_login_is_over_after_an_hour(database: Database, anna: Account) -> None:
    token = logins.sign_in(database, "anna", SECRET, NOW)
    assert logins.resume(database, token, NOW + 59 * MINUTE) == anna
    assert logins.resume(database, token, NOW + 118 * MINUTE) == anna
    assert who(database, token, NOW + 178 * MINUTE) is None
    assert logins.resume(database, token, NOW + 178 * MINUTE) is None


def test_a_busy_login_is_over_after_twelve_hours(database: Database, anna: Account) -> None:
    token = logins.sign_in(database, "anna", SECRET, NOW)
    for half_hours in range(1, 24):
        assert logins.resume(database, token, NOW + half_hours * HOUR / 2) == anna
    assert logins.resume(database, token, NOW + 12 * HOUR - 1) == anna
    assert logins.resume(database, token, NOW + 12 * HOUR) is None


def test_logins_that_are_over_are_removed_at_the_next(database: Database, anna: Account) -> None:
    logins.sign_in(database, "anna", SECRET, NOW)
    logins.sign_in(database, "anna", SECRET, NOW + 30 * MINUTE)
    logins.sign_in(database, "anna", SECRET, NOW + 61 * MINUTE)
    assert len(rows(database, tables.login)) == 2


def test_last_seen_is_written_once_a_minute(
    database: Database, anna: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = logins.sign_in(database, "anna", SECRET, NOW)
    writes = []
    write = database.write
    monkeypatch.setattr(database, "write", lambda: writes.append(1) or write())
    for second in range(181):
        logins.resume(database, token, NOW + second)
    assert len(writes) == 3
    assert rows(database, tables.login)[0].last_seen == NOW + 180


def test_disabling_ends_every_login(database: Database, berta: Account) -> None:
    tokens = [logins.sign_in(database, "berta", SECRET, NOW) for _ in range(2)]
    with database.write() as connection:
        accounts.disable(connection, berta.account_id)
    assert [who(database, token, NOW) for token in tokens] == [None, None]
    with database.write() as connection:
        accounts.enable(connection, berta.account_id)
    assert [who(database, token, NOW) for token in tokens] == [None, None]
    assert logins.sign_in(database, "berta", SECRET, NOW)


def test_a_new_password_ends_every_login_and_every_wait(database: Database, anna: Account) -> None:
    token = logins.sign_in(database, "anna", SECRET, NOW)
    while not refusal(database, "anna", WRONG, NOW).wait_s:
        pass
    with database.write() as connection:
        accounts.set_password(connection, anna.account_id, accounts.hash_password("anna", WRONG))
    assert who(database, token, NOW) is None
    assert logins.sign_in(database, "anna", WRONG, NOW)
    assert "wrong name or password" in str(refusal(database, "anna", SECRET, NOW))


def test_a_role_holds_from_the_next_look(database: Database, berta: Account) -> None:
    token = logins.sign_in(database, "berta", SECRET, NOW)
    with database.write() as connection:
        accounts.set_role(connection, berta.account_id, Role.LEAD)
    found = who(database, token, NOW)
    assert found is not None
    assert found.role is Role.LEAD


def test_refusals_are_alike_whatever_the_reason(
    database: Database, hasher: CountedHasher, berta: Account
) -> None:
    add(database, "Carl", hasher, Role.ANNOTATOR)
    with database.write() as connection:
        accounts.disable(connection, berta.account_id)
    said = []
    for name, password in (
        *(("anna", WRONG), ("berta", SECRET), ("berta ", WRONG), ("nobody", SECRET)),
        *(("", ""), ("x" * 5_000, "y" * 100_000), ("a\x00b", SECRET), ("\ud800", "\ud800")),
    ):
        hasher.calls.clear()
        error = refusal(database, name, password, NOW)
        said.append((str(error), error.wait_s, hasher.calls.copy()))
    message = "wrong name or password, or the account is disabled"
    assert said == [(message, 0, ["verify"])] * len(said)


@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_the_wait_doubles_for_names_that_exist_and_others(
    database: Database, hasher: CountedHasher, anna: Account, name: str
) -> None:
    now, waits = NOW, []
    for _ in range(15):
        error = refusal(database, name, WRONG, now)
        waits.append(error.wait_s)
        now += error.wait_s
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    assert len(hasher.calls) == 15


def test_what_is_said_of_the_wait(database: Database) -> None:
    for _ in range(2):
        refusal(database, "nobody", WRONG, NOW)
    message = "wrong name or password, or the account is disabled; wait 1 second"
    assert str(refusal(database, "nobody", WRONG, NOW)) == message
    assert str(refusal(database, "nobody", WRONG, NOW + 1)).endswith("; wait 2 seconds")
    early = refusal(database, "nobody", WRONG, NOW + 1.25)
    assert (str(early), early.wait_s) == ("too many failed attempts; wait 2 seconds", 2)
    assert early.exit_code == ReviewError.exit_code


def test_the_right_password_is_not_looked_at_during_the_wait(
    database: Database, hasher: CountedHasher, anna: Account
) -> None:
    for _ in range(3):
        refusal(database, "anna", WRONG, NOW)
    hasher.calls.clear()
    for spelling in ("anna", "ANNA", " anna "):
        assert refusal(database, spelling, SECRET, NOW + 0.5).wait_s == 1
    assert hasher.calls == []
    # Nor did those tries lengthen the wait.
    assert logins.sign_in(database, "anna", SECRET, NOW + 1)


def test_success_forgets_the_failures_before(database: Database, anna: Account) -> None:
    for _ in range(2):
        for _ in range(2):
            assert refusal(database, "anna", WRONG, NOW).wait_s == 0
        logins.sign_in(database, "anna", SECRET, NOW)
    assert rows(database, tables.login_failure) == []


def test_the_wait_of_one_name_is_not_that_of_another(database: Database, anna: Account) -> None:
    for _ in range(3):
        refusal(database, "berta", WRONG, NOW)
    assert logins.sign_in(database, "anna", SECRET, NOW)


def test_failures_are_forgotten_after_a_day(database: Database) -> None:
    for number in range(5):
        refusal(database, f"nobody {number}", WRONG, NOW)
    assert len(rows(database, tables.login_failure)) == 5
    refusal(database, "nobody", WRONG, NOW + 24 * HOUR)
    assert len(rows(database, tables.login_failure)) == 1


def test_a_clock_that_was_set_back_locks_nobody_out(database: Database, anna: Account) -> None:
    for _ in range(3):
        refusal(database, "anna", WRONG, NOW + HOUR)
    assert logins.sign_in(database, "anna", SECRET, NOW)


def test_a_password_typed_as_a_name_is_not_kept(database: Database) -> None:
    refusal(database, SECRET, "", NOW)
    (row,) = rows(database, tables.login_failure)
    assert 0 <= row.name_number < 2**20
    if database.is_sqlite:
        files = [path for path in Path(database.name).parent.iterdir() if path.is_file()]
        assert not any(SECRET.encode() in path.read_bytes() for path in files)


def test_many_tries_at_once_get_no_further_than_one_after_another(
    database: Database, hasher: CountedHasher, anna: Account
) -> None:
    start = threading.Barrier(8)

    def attempt(_: int) -> LoginRefused:
        start.wait()
        return refusal(database, "anna", WRONG, NOW)

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(attempt, range(8)))
    assert hasher.calls == ["verify"] * 3
    assert sum("too many" in str(error) for error in said) == 5
    (row,) = rows(database, tables.login_failure)
    assert row.failures == 3


def test_nobody_waits_for_a_password_to_be_verified(
    database: Database, hasher: CountedHasher, anna: Account
) -> None:
    written = []

    def write_elsewhere() -> None:
        with database.write() as connection:
            written.append(accounts.get(connection, anna.account_id))

    hasher.during = write_elsewhere
    assert logins.sign_in(database, "anna", SECRET, NOW)
    assert written == [anna]


@pytest.mark.parametrize("change", ["password", "disabled"])
def test_what_changed_during_the_verification_holds(
    database: Database, hasher: CountedHasher, berta: Account, change: str
) -> None:
    other = accounts.hash_password("berta", WRONG)

    def change_it() -> None:
        with database.write() as connection:
            if change == "password":
                accounts.set_password(connection, berta.account_id, other)
            else:
                accounts.disable(connection, berta.account_id)

    hasher.during = change_it
    assert "wrong name or password" in str(refusal(database, "berta", SECRET, NOW))
    assert rows(database, tables.login) == []


def test_a_login_renews_a_hash_of_old_parameters(
    database: Database, anna: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = logins.sign_in(database, "anna", SECRET, NOW)
    (before,) = rows(database, tables.account)
    monkeypatch.setattr(accounts, "_HASHER", CountedHasher(time_cost=2))
    second = logins.sign_in(database, "anna", SECRET, NOW)
    (after,) = rows(database, tables.account)
    assert before.password_hash != after.password_hash
    assert "t=2" in after.password_hash
    assert who(database, first, NOW) == who(database, second, NOW) == anna
    assert logins.sign_in(database, "anna", SECRET, NOW)


def setup_code(database: Database) -> str:
    with database.write() as connection:
        return logins.make_setup_code(connection)


def test_the_code_makes_the_first_lead_once(database: Database) -> None:
    code = setup_code(database)
    made = logins.use_setup_code(database, code, " Anna ", SECRET, NOW)
    assert (made.name, made.role) == ("Anna", Role.LEAD)
    assert logins.sign_in(database, "anna", SECRET, NOW)
    with pytest.raises(ReviewError, match="already has accounts"):
        logins.use_setup_code(database, code, "Berta", SECRET, NOW)
    with pytest.raises(ReviewError, match="already has accounts"):
        setup_code(database)


def test_the_code_may_be_typed_in_capitals_and_without_hyphens(database: Database) -> None:
    code = setup_code(database)
    assert len(code) == 19
    typed = f" {code.replace('-', ' ').upper()} "
    assert logins.use_setup_code(database, typed, "anna", SECRET, NOW).name == "anna"


def test_only_the_code_made_last_is_good(database: Database) -> None:
    old, new = setup_code(database), setup_code(database)
    with pytest.raises(LoginRefused, match="wrong setup code"):
        logins.use_setup_code(database, old, "anna", SECRET, NOW)
    assert logins.use_setup_code(database, new, "anna", SECRET, NOW)


def test_without_a_code_there_is_no_first_lead(database: Database) -> None:
    for day, code in enumerate(("", "null", "none", "\ud800")):
        now = NOW + day * 24 * HOUR
        with pytest.raises(LoginRefused, match="wrong setup code"):
            logins.use_setup_code(database, code, "anna", SECRET, now)
    assert rows(database, tables.account) == []


def test_wrong_codes_have_to_wait(database: Database, hasher: CountedHasher) -> None:
    code = setup_code(database)
    waits = []
    for _ in range(3):
        with pytest.raises(LoginRefused) as caught:
            logins.use_setup_code(database, "wrong", "anna", SECRET, NOW)
        waits.append(caught.value.wait_s)
    assert waits == [0, 0, 1]
    with pytest.raises(LoginRefused, match="too many failed attempts; wait 1 second"):
        logins.use_setup_code(database, code, "anna", SECRET, NOW)
    assert hasher.calls == []
    assert logins.use_setup_code(database, code, "anna", SECRET, NOW + 1)
    assert rows(database, tables.login_failure) == []


def test_a_name_or_password_that_cannot_be_leaves_the_code_good(database: Database) -> None:
    code = setup_code(database)
    for name, password in (("", SECRET), ("anna", "short"), ("anna karenina", "Anna Karenina")):
        for _ in range(3):
            with pytest.raises(InputError):
                logins.use_setup_code(database, code, name, password, NOW)
    assert logins.use_setup_code(database, code, "anna", SECRET, NOW)


def test_the_code_is_not_kept_in_clear(database: Database) -> None:
    code = setup_code(database)
    values = [row.value for row in rows(database, tables.meta)]
    assert not any(code in value or code.replace("-", "") in value for value in values)


def test_two_who_have_the_code_make_one_lead(database: Database) -> None:
    code = setup_code(database)
    start = threading.Barrier(2)

    def use(name: str) -> bool:
        start.wait()
        try:
            logins.use_setup_code(database, code, name, SECRET, NOW)
        except ReviewError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(use, ["anna", "berta"])) == [False, True]
    assert len(rows(database, tables.account)) == 1
