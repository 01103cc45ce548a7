"""Accounts of a review and their roles.

People sign in by name. Verdicts and everything published carry `account_id`, a random pseudonym.
Functions that change anything need a connection from `Database.write()`.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import secrets
import threading
import time
import unicodedata
from dataclasses import dataclass
from typing import Any, NewType

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.chain import state
from nsfwcaps.review.chain.rows import COMMAND_LINE

MAX_NAME_CHARS = 64
MIN_PASSWORD_CHARS = 10
# Unauthenticated clients can send passwords: the limit bounds the cost of each attempt.
MAX_PASSWORD_CHARS = 1_024

PasswordHash = NewType("PasswordHash", str)
"""Stored form of a password, created by `hash_password`."""

_NO_ACCOUNT = "no such account; reload the list of accounts"
_HASHER = PasswordHasher()
# Each hash takes 64 MiB and several threads, so simultaneous attempts queue up.
_HASHING = threading.BoundedSemaphore(2)


class Role(enum.StrEnum):
    """Permissions: annotators judge pairs; leads also see progress, settle and export."""

    ANNOTATOR = "annotator"
    LEAD = "lead"


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user of the review."""

    account_id: str
    name: str
    role: Role
    disabled: bool
    must_change: bool = False
    """Another person set the password: it has to be changed before anything else."""
    subject: str | None = None
    """Identity at an OIDC provider, as `identities.subject` writes it."""


def clean_name(name: str) -> str:
    """Normalise a name: NFKC, trimmed.

    Raises:
        InputError: it is empty, too long, or has unprintable characters.
    """
    # NFKC can expand a few characters into many, so check the length before and after.
    cleaned = unicodedata.normalize("NFKC", name[: MAX_NAME_CHARS * 4]).strip()
    if not 1 <= len(cleaned) <= MAX_NAME_CHARS or len(name) > MAX_NAME_CHARS * 4:
        raise InputError(f"a name must have 1 to {MAX_NAME_CHARS} characters")
    if not cleaned.isprintable():
        raise InputError("the name has unprintable characters; remove them")
    return cleaned


def name_key(name: str) -> str:
    """Return the key shared by all spellings of a name.

    >>> name_key(" Anna ") == name_key("ANNA")
    True
    """
    folded = unicodedata.normalize("NFKC", name).strip().casefold()
    return unicodedata.normalize("NFKC", folded)


def name_number(name: str) -> int:
    """Return the number under which failed sign-ins with a name are counted.

    It is 20 bits of the name's hash: at most a million rows, and no way to recover the typed text.
    """
    key = name_key(name[: MAX_NAME_CHARS * 4]).encode("utf-8", "surrogatepass")
    return int(hashlib.sha256(key).hexdigest()[:5], 16)


def check_password(name: str, password: str) -> None:
    """Check a new password.

    Raises:
        InputError: it is too short, too long, or equal to the name.
    """
    if len(password) < MIN_PASSWORD_CHARS:
        raise InputError(f"the password must have at least {MIN_PASSWORD_CHARS} characters")
    if len(password) > MAX_PASSWORD_CHARS:
        raise InputError(f"the password must have at most {MAX_PASSWORD_CHARS:,} characters")
    if name_key(password) == name_key(name):
        raise InputError("the password must differ from the name")


def hash_password(name: str, password: str) -> PasswordHash:
    """Hash a password with Argon2id: takes about 0.1 s, so never during a write transaction.

    Raises:
        InputError: as `check_password`.
    """
    check_password(name, password)
    with _HASHING:
        return PasswordHash(_HASHER.hash(_as_bytes(password)))


def is_password(known: PasswordHash | None, password: str) -> bool:
    """Whether a password matches a hash. None never matches, but takes equally long."""
    with _HASHING:
        try:
            return _HASHER.verify(known or _NOBODYS, _as_bytes(password)) and known is not None
        except (VerificationError, InvalidHashError):
            return False


def rehashed(known: PasswordHash, password: str) -> PasswordHash:
    """Return the hash, recomputed if it was made with outdated parameters."""
    if not _HASHER.check_needs_rehash(known):
        return known
    with _HASHING:
        return PasswordHash(_HASHER.hash(_as_bytes(password)))


def create(
    connection: sa.Connection,
    name: str,
    password_hash: PasswordHash,
    role: Role,
    now: float,
    by: str = COMMAND_LINE,
    *,
    must_change: bool = False,
) -> Account:
    """Create an account, and log its pseudonym and role; `by` is the account that creates it.

    `must_change` if another person set the password.

    Raises:
        InputError: the name is invalid or taken.
    """
    name, account = clean_name(name), tables.account
    if _rows(connection, account.c.name_key == name_key(name)):
        raise InputError(f"the name '{name}' is taken; choose another")
    account_id = f"p-{secrets.token_hex(5)}"
    connection.execute(
        sa.insert(account).values(
            account_id=account_id,
            name=name,
            name_key=name_key(name),
            password_hash=password_hash,
            role=role.value,
            created=now,
            must_change=must_change,
        )
    )
    values = {"role": role.value, "disabled": False}
    state.log_account(connection, account_id, values, by, now)
    return Account(
        account_id=account_id, name=name, role=role, disabled=False, must_change=must_change
    )


def everyone(connection: sa.Connection) -> list[Account]:
    """All accounts, including disabled ones, by name."""
    return sorted(_rows(connection, sa.true()), key=lambda account: name_key(account.name))


def any_exist(connection: sa.Connection) -> bool:
    """Whether any account exists, disabled ones included."""
    return connection.execute(sa.select(tables.account.c.account_id).limit(1)).first() is not None


def find(connection: sa.Connection, name: str) -> Account:
    """Return the account with a name.

    Raises:
        InputError: the name is invalid or unknown.
    """
    name = clean_name(name)
    for account in _rows(connection, tables.account.c.name_key == name_key(name)):
        return account
    raise InputError(f"unknown name '{name}'; list accounts with 'nsfwcaps review account list'")


def get(connection: sa.Connection, account_id: str) -> Account:
    """Return an account.

    Raises:
        InputError: no such account.
    """
    for account in _rows(connection, tables.account.c.account_id == account_id):
        return account
    raise InputError(_NO_ACCOUNT)


def set_password(
    connection: sa.Connection,
    account_id: str,
    password_hash: PasswordHash,
    *,
    must_change: bool = False,
) -> None:
    """Change a password, end all logins and reset the count of failed attempts.

    It takes the place of an identity at a provider. `must_change` if another person set it.
    """
    values = {"password_hash": password_hash, "must_change": must_change, "subject": None}
    _set(connection, account_id, **values)
    end_logins(connection, account_id)
    failure, name = tables.login_failure, get(connection, account_id).name
    connection.execute(sa.delete(failure).where(failure.c.name_number == name_number(name)))


def set_role(
    connection: sa.Connection, account_id: str, role: Role, by: str = COMMAND_LINE
) -> None:
    """Change an account's role, effective from the next page load; logged with who did it.

    Raises:
        ReviewError: this is the last lead.
    """
    if role is not Role.LEAD:
        _keep_a_lead(connection, account_id)
    _set_logged(connection, account_id, by, role=role.value)


def disable(connection: sa.Connection, account_id: str, by: str = COMMAND_LINE) -> None:
    """Disable an account immediately; its verdicts remain. Logged with who did it.

    Raises:
        ReviewError: this is the last lead.
    """
    _keep_a_lead(connection, account_id)
    _set_logged(connection, account_id, by, disabled=True)
    end_logins(connection, account_id)


def enable(connection: sa.Connection, account_id: str, by: str = COMMAND_LINE) -> None:
    """Re-enable an account. Logged with who did it."""
    _set_logged(connection, account_id, by, disabled=False)


def end_logins(connection: sa.Connection, account_id: str) -> None:
    """End all logins of an account."""
    connection.execute(sa.delete(tables.login).where(tables.login.c.account_id == account_id))


def from_row(row: sa.Row[Any]) -> Account:
    """Build an account from a row with its columns.

    Raises:
        ReviewError: something else wrote its role.
    """
    if row.role not in tuple(Role):
        raise ReviewError(
            f"the database is damaged (role of account {row.account_id}); restore the latest backup"
        )
    return Account(
        account_id=row.account_id,
        name=row.name,
        role=Role(row.role),
        disabled=row.disabled,
        must_change=row.must_change,
        subject=row.subject,
    )


def _rows(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Account]:
    return [from_row(row) for row in connection.execute(sa.select(tables.account).where(where))]


def _set(connection: sa.Connection, account_id: str, **values: Any) -> None:
    account = tables.account
    done = connection.execute(
        sa.update(account).where(account.c.account_id == account_id).values(**values)
    )
    if done.rowcount == 0:
        raise InputError(_NO_ACCOUNT)


def _set_logged(connection: sa.Connection, account_id: str, by: str, **values: Any) -> None:
    """Set what the log holds of an account; setting what it has already logs nothing."""
    account = tables.account.c
    now = connection.execute(
        sa.select(account.role, account.disabled).where(account.account_id == account_id)
    ).one_or_none()
    _set(connection, account_id, **values)
    if now is not None and {**now._mapping, **values} != now._mapping:
        state.log_account(connection, account_id, values, by, time.time())


def _keep_a_lead(connection: sa.Connection, account_id: str) -> None:
    leads = [a for a in everyone(connection) if a.role is Role.LEAD and not a.disabled]
    if [lead.account_id for lead in leads] == [account_id]:
        raise ReviewError(f"'{leads[0].name}' is the last lead; make another account a lead first")


def _as_bytes(password: str) -> bytes:
    # NFC: keyboard layouts of different systems encode an accented letter in two ways.
    text = unicodedata.normalize("NFC", password[: MAX_PASSWORD_CHARS + 1])
    return text.encode("utf-8", "surrogatepass")


def no_password() -> PasswordHash:
    """Return a hash that no known password has and that takes equally long to verify."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(count)).decode().rstrip("=")
        for count in (_HASHER.salt_len, _HASHER.hash_len)
    )
    costs = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    return PasswordHash(f"$argon2id$v=19${costs}${salt}${digest}")


_NOBODYS = no_password()
