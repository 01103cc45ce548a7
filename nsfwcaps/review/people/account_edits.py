"""Account changes by leads, each in its own write transaction."""

from __future__ import annotations

import enum

from nsfwcaps.review.chain.rows import COMMAND_LINE
from nsfwcaps.review.database import Database
from nsfwcaps.review.people import accounts
from nsfwcaps.review.people.accounts import Account, Role


class Change(enum.StrEnum):
    """A change to an account."""

    MAKE_ANNOTATOR = "make annotator"
    MAKE_LEAD = "make lead"
    DISABLE = "disable"
    ENABLE = "enable"


def add(
    database: Database,
    name: str,
    password: str,
    role: Role,
    now: float,
    by: str = COMMAND_LINE,
) -> Account:
    """Create an account in its own write transaction; its password has to be changed.

    `by` is the lead's account.

    Raises:
        InputError: the name or password is invalid, or the name is taken.
    """
    # Hashing is slow, so it comes before the write.
    hashed = accounts.hash_password(accounts.clean_name(name), password)
    with database.write() as connection:
        return accounts.create(connection, name, hashed, role, now, by, must_change=True)


def apply(database: Database, account_id: str, change: Change, by: str = COMMAND_LINE) -> None:
    """Change an account in its own write transaction; `by` is the lead's account.

    Raises:
        InputError: no such account.
        ReviewError: no lead would be left.
    """
    with database.write() as connection:
        match change:
            case Change.MAKE_ANNOTATOR:
                accounts.set_role(connection, account_id, Role.ANNOTATOR, by)
            case Change.MAKE_LEAD:
                accounts.set_role(connection, account_id, Role.LEAD, by)
            case Change.DISABLE:
                accounts.disable(connection, account_id, by)
            case Change.ENABLE:
                accounts.enable(connection, account_id, by)


def reset_password(database: Database, account_id: str, password: str) -> None:
    """Set a password that has to be changed, and end all logins of the account.

    Raises:
        InputError: no such account, or the password is invalid.
    """
    with database.read() as connection:
        name = accounts.get(connection, account_id).name
    hashed = accounts.hash_password(name, password)
    with database.write() as connection:
        accounts.set_password(connection, account_id, hashed, must_change=True)
