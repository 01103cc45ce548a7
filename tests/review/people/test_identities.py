from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nsfwcaps.errors import InputError
from nsfwcaps.review.database import Database
from nsfwcaps.review.people import account_edits, accounts, identities, logins
from nsfwcaps.review.people.accounts import Account, Role

NOW = 1_800_000_000.0
ISSUER, SECRET = "https://id.example.org", "a long password"
ANN = f"{ISSUER} 00-ann"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(str(tmp_path / "review.sqlite"), create=True)


def claims(sub: str = "00-ann", issued: float = NOW, issuer: str = ISSUER) -> dict[str, Any]:
    return {"iss": issuer, "sub": sub, "iat": issued, "email": "ann@example.org"}


def add(database: Database, name: str = "Ann", identity: str = ANN) -> Account:
    return identities.add(database, name, identity, Role.ANNOTATOR, NOW)


def signed_in(database: Database, token: str | None, now: float = NOW) -> str | None:
    assert token is not None
    with database.read() as connection:
        account = logins.signed_in(connection, token, now)
    return account and account.name


def test_a_linked_identity_signs_in_its_account_once(database: Database) -> None:
    assert not add(database).must_change
    add(database, "Bob", f"{ISSUER} 00-bob")
    token = identities.enter(database, claims(), NOW + 10)
    assert signed_in(database, token) == "Ann"
    # Another tab has the same identity, also after the person has signed out.
    logins.sign_out(database, str(token))
    assert identities.enter(database, claims(), NOW + 20) is None
    assert signed_in(database, identities.enter(database, claims(issued=NOW + 30), NOW + 30))


@pytest.mark.parametrize("issued", [NOW - 301, NOW + 301, None, "now"])
def test_an_identity_of_earlier_does_not_begin_a_login(database: Database, issued: Any) -> None:
    add(database)
    assert identities.enter(database, claims(issued=issued), NOW) is None


@pytest.mark.parametrize(
    "unknown",
    [
        claims("00-eve"),
        claims(issuer="https://id.example.com"),
        claims("00-ANN"),  # subjects differ by case
        claims("00-ann "),
        claims("ann@example.org"),
    ],
)
def test_who_is_not_linked_does_not_enter_and_gets_no_account(
    database: Database, unknown: dict[str, Any]
) -> None:
    add(database)
    with pytest.raises(InputError, match="you are not in this review"):
        identities.enter(database, unknown, NOW)
    with database.read() as connection:
        assert len(accounts.everyone(connection)) == 1


def test_a_disabled_account_is_refused_its_identity(database: Database) -> None:
    account_edits.add(database, "Lea", SECRET, Role.LEAD, NOW)
    made = add(database)
    with database.write() as connection:
        accounts.disable(connection, made.account_id)
    with pytest.raises(InputError, match="or your account is disabled"):
        identities.enter(database, claims(), NOW)


@pytest.mark.parametrize("missing", ["iss", "sub"])
def test_an_id_token_that_names_nobody_is_no_identity(database: Database, missing: str) -> None:
    found = {**claims(), missing: None}
    assert identities.enter(database, found, NOW) is None


def test_an_identity_takes_the_place_of_the_password_and_the_other_way_round(
    database: Database,
) -> None:
    made = account_edits.add(database, "Ann", SECRET, Role.ANNOTATOR, NOW)
    before = logins.sign_in(database, "Ann", SECRET, NOW)
    identities.link(database, made.account_id, f" {ISSUER}   00-ann ")
    assert signed_in(database, before) is None
    with pytest.raises(logins.LoginRefused):
        logins.sign_in(database, "Ann", SECRET, NOW)
    assert signed_in(database, identities.enter(database, claims(), NOW)) == "Ann"

    account_edits.reset_password(database, made.account_id, SECRET)
    with pytest.raises(InputError, match="you are not in this review"):
        identities.enter(database, claims(issued=NOW + 5), NOW + 5)
    assert signed_in(database, logins.sign_in(database, "Ann", SECRET, NOW))


def test_two_accounts_never_share_an_identity(database: Database) -> None:
    add(database)
    with pytest.raises(InputError, match="linked to 'Ann' already; nothing was changed"):
        add(database, "Bob", ANN)
    with database.read() as connection:
        assert [one.name for one in accounts.everyone(connection)] == ["Ann"]


@pytest.mark.parametrize(
    "text", ["", "00-ann", ISSUER, f"{ISSUER} ", "ftp://x 1", f"{ISSUER} {'9' * 1_024}"]
)
def test_what_is_no_identity_is_not_linked(database: Database, text: str) -> None:
    with pytest.raises(InputError, match="an identity is the address of the provider, a space"):
        add(database, identity=text)
