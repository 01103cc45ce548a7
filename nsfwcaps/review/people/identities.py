"""People who sign in at an OIDC provider instead of with a password.

An account is linked to one identity, `ISSUER SUBJECT`: the claims `iss` and `sub` of the ID token
(OpenID Connect Core 1.0, section 2). Nobody enters whom a lead has not linked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nsfwcaps.errors import InputError
from nsfwcaps.review import tables
from nsfwcaps.review.chain.rows import COMMAND_LINE
from nsfwcaps.review.database import Database
from nsfwcaps.review.people import accounts, logins
from nsfwcaps.review.people.accounts import Account, Role

FRESH_S = 5 * 60
"""For how long an identity can begin a login. The provider's cookie lives for 30 days."""
_LONGEST = 1_024


def subject(claims: Mapping[str, Any]) -> str | None:
    """Return the identity of an ID token, or None if it names nobody."""
    issuer, sub = claims.get("iss"), claims.get("sub")
    return f"{issuer} {sub}" if issuer and sub else None


def cleaned(text: str) -> str:
    """Return an identity as a lead types it.

    Raises:
        InputError: it is not an address, a space and a subject.
    """
    issuer, _, sub = " ".join(text.split()).partition(" ")
    found = f"{issuer} {sub}"
    if (
        not issuer.startswith(("https://", "http://"))
        or not sub
        or len(found) > _LONGEST
        or not found.isprintable()
    ):
        raise InputError(
            "an identity is the address of the provider, a space, and the subject, as the page "
            "shows it to the person who tries to sign in"
        )
    return found


def link(database: Database, account_id: str, identity: str) -> None:
    """Let an account sign in with an identity instead of its password.

    Raises:
        InputError: the identity is not one, is linked to another account, or no such account.
    """
    found = cleaned(identity)
    with database.write() as connection:
        _link(connection, account_id, found)


def add(
    database: Database,
    name: str,
    identity: str,
    role: Role,
    now: float,
    by: str = COMMAND_LINE,
) -> Account:
    """Create an account that signs in with an identity and has no password; `by` is a lead's.

    Raises:
        InputError: the name or the identity is invalid or taken; no account is created.
    """
    found, hashed = cleaned(identity), accounts.no_password()
    with database.write() as connection:
        made = accounts.create(connection, name, hashed, role, now, by)
        _link(connection, made.account_id, found)
        return accounts.get(connection, made.account_id)


def is_fresh(claims: Mapping[str, Any], now: float) -> bool:
    """Whether the provider has just issued an ID token."""
    issued = claims.get("iat")
    return isinstance(issued, int | float) and abs(now - issued) <= FRESH_S


def enter(database: Database, claims: Mapping[str, Any], now: float) -> str | None:
    """Return a login token for a fresh identity that was not used before, or None.

    Raises:
        InputError: no account, or a disabled one, is linked to the identity.
    """
    found, account = subject(claims), tables.account
    if found is None or not is_fresh(claims, now):
        return None
    with database.write() as connection:
        row = connection.execute(
            sa.select(account).where(account.c.subject == found, sa.not_(account.c.disabled))
        ).one_or_none()
        if row is None:
            raise InputError(
                "you are not in this review, or your account is disabled; "
                "give the line below to a lead, who can add you"
            )
        # Other tabs keep the identity after a person has signed out.
        if row.identity_at is not None and claims["iat"] <= row.identity_at:
            return None
        mine = account.c.account_id == row.account_id
        connection.execute(sa.update(account).where(mine).values(identity_at=claims["iat"]))
        return logins.begin(connection, row.account_id, now)


def _link(connection: sa.Connection, account_id: str, found: str) -> None:
    account = tables.account
    for name, other in connection.execute(
        sa.select(account.c.name, account.c.account_id).where(account.c.subject == found)
    ):
        if other != account_id:
            raise InputError(f"this identity is linked to '{name}' already; nothing was changed")
    accounts.end_logins(connection, accounts.get(connection, account_id).account_id)
    connection.execute(
        sa.update(account)
        .where(account.c.account_id == account_id)
        .values(subject=found, password_hash=accounts.no_password(), must_change=False)
    )
