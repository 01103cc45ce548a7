"""Sign-in and sign-out, delays after failed attempts, and the setup code for the first lead.

Times are Unix seconds. The browser holds a token; the database holds only its sha256.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets

import sqlalchemy as sa

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database, get_meta, set_meta
from nsfwcaps.review.people import accounts
from nsfwcaps.review.people.accounts import Account, PasswordHash, Role

IDLE_S = 60 * 60
LONGEST_S = 12 * 60 * 60
SEEN_EVERY_S = 60

FREE_TRIES = 3
LONGEST_WAIT_S = 15 * 60
FORGOTTEN_S = 24 * 60 * 60

_CODE_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # no look-alikes
_CODE_KEY = "setup_code"
_ID_KEY = "review_id"
_CODE_NUMBER = -1  # wrong codes share the table with names, whose numbers are not negative
_WRONG = "wrong name or password, or the account is disabled"
_WRONG_CODE = "wrong setup code; 'nsfwcaps review' printed the current one when it last started"


class LoginRefused(ReviewError):  # noqa: N818 - an outcome, not a fault
    """A failed sign-in; the next attempt is accepted after `wait_s` seconds."""

    def __init__(self, message: str, wait_s: int) -> None:
        plural = "" if wait_s == 1 else "s"
        super().__init__(f"{message}; wait {wait_s} second{plural}" if wait_s else message)
        self.wait_s = wait_s


def sign_in(database: Database, name: str, password: str, now: float) -> str:
    """Check name and password, and return a login token.

    Raises:
        LoginRefused: with the same message and after the same work, whichever of name, password
            and account is the reason.
    """
    number = accounts.name_number(name)
    wait_s = _count_try(database, number, now)
    with database.read() as connection:
        account, known = _known(connection, name)
    if accounts.is_password(known, password) and account and known and not account.disabled:
        fresh = accounts.rehashed(known, password)
        with database.write() as connection:
            # The account may have been disabled or its password changed while we were hashing.
            if _known(connection, name) == (account, known):
                _forgive(connection, number)
                _keep_hash(connection, account.account_id, fresh)
                return begin(connection, account.account_id, now)
    raise LoginRefused(_WRONG, wait_s)


def begin(connection: sa.Connection, account_id: str, now: float) -> str:
    """Begin a login of a person whose identity was checked, and return its token."""
    login = tables.login
    is_over = (login.c.created <= now - LONGEST_S) | (login.c.last_seen <= now - IDLE_S)
    connection.execute(sa.delete(login).where(is_over))
    token = secrets.token_urlsafe(32)
    connection.execute(
        sa.insert(login).values(
            token_hash=_sha256(token), account_id=account_id, created=now, last_seen=now
        )
    )
    return token


def signed_in(connection: sa.Connection, token: str, now: float) -> Account | None:
    """Return the account of a token, or None if it is unknown or expired. Writes nothing."""
    row = _login(connection, token, now)
    return None if row is None else accounts.from_row(row)


def resume(database: Database, token: str, now: float) -> Account | None:
    """Return the account of a token as `signed_in` does, and restart its idle time.

    Called on each page load; writes at most once a minute.
    """
    with database.read() as connection:
        row = _login(connection, token, now)
    if row is None:
        return None
    if now - row.last_seen >= SEEN_EVERY_S:
        login = tables.login
        mine = login.c.token_hash == _sha256(token)
        with database.write() as connection:
            connection.execute(sa.update(login).where(mine).values(last_seen=now))
    return accounts.from_row(row)


def sign_out(database: Database, token: str) -> None:
    """End a login; does nothing if it has already ended."""
    login = tables.login
    with database.write() as connection:
        connection.execute(sa.delete(login).where(login.c.token_hash == _sha256(token)))


def change_password(database: Database, account: Account, old: str, new: str, now: float) -> str:
    """Change a password, end all logins of the account, and return a token for a new one.

    Failed attempts with the old password are counted and delayed, as in `sign_in`.

    Raises:
        InputError: the new password is invalid, or the old one.
        LoginRefused: the old password is wrong.
    """
    if new == old:
        raise InputError("the new password is the current one; choose another")
    hashed = accounts.hash_password(account.name, new)
    sign_in(database, account.name, old, now)
    with database.write() as connection:
        accounts.set_password(connection, account.account_id, hashed)
    return sign_in(database, account.name, new, now)


def review_id(database: Database) -> str:
    """Return a random name of the review, made once, which tells apart cookies on one host."""
    with database.write() as connection:
        found = get_meta(connection, _ID_KEY)
        if found is None:
            found = secrets.token_hex(4)
            set_meta(connection, _ID_KEY, found)
        return str(found)


def make_setup_code(connection: sa.Connection) -> str:
    """Return a new setup code for creating the first lead; the previous code becomes invalid.

    Raises:
        ReviewError: accounts already exist.
    """
    _check_no_accounts(connection)
    letters = [secrets.choice(_CODE_LETTERS) for _ in range(16)]  # 79 bits
    code = "-".join("".join(letters[start : start + 4]) for start in range(0, 16, 4))
    set_meta(connection, _CODE_KEY, _code_hash(code))
    return code


def use_setup_code(database: Database, code: str, name: str, password: str, now: float) -> Account:
    """Create the first lead, and invalidate the setup code.

    Raises:
        InputError: the name or password is invalid; the code stays valid.
        LoginRefused: the code is wrong.
        ReviewError: accounts already exist.
    """
    accounts.check_password(accounts.clean_name(name), password)
    with database.read() as connection:
        _check_no_accounts(connection)
    wait_s = _count_try(database, _CODE_NUMBER, now)
    with database.read() as connection:
        is_right = _is_code(connection, code)
    if is_right:
        password_hash = accounts.hash_password(name, password)
        with database.write() as connection:
            _check_no_accounts(connection)
            if _is_code(connection, code):
                set_meta(connection, _CODE_KEY, None)
                _forgive(connection, _CODE_NUMBER)
                return accounts.create(connection, name, password_hash, Role.LEAD, now)
    raise LoginRefused(_WRONG_CODE, wait_s)


def _known(
    connection: sa.Connection, name: str
) -> tuple[Account, PasswordHash] | tuple[None, None]:
    """Return the account and password hash for a name as typed."""
    try:
        key = accounts.name_key(accounts.clean_name(name))
    except InputError:  # no account can have this name
        return None, None
    row = connection.execute(
        sa.select(tables.account).where(tables.account.c.name_key == key)
    ).one_or_none()
    return (accounts.from_row(row), PasswordHash(row.password_hash)) if row else (None, None)


def _keep_hash(connection: sa.Connection, account_id: str, password_hash: PasswordHash) -> None:
    account = tables.account
    connection.execute(
        sa.update(account)
        .where(account.c.account_id == account_id, account.c.password_hash != password_hash)
        .values(password_hash=password_hash)
    )


def _login(connection: sa.Connection, token: str, now: float) -> sa.Row[tuple[object, ...]] | None:
    account, login = tables.account, tables.login
    return connection.execute(
        sa.select(account, login.c.last_seen)
        .join(login, login.c.account_id == account.c.account_id)
        .where(
            login.c.token_hash == _sha256(token),
            login.c.created > now - LONGEST_S,
            login.c.last_seen > now - IDLE_S,
            sa.not_(account.c.disabled),
        )
    ).one_or_none()


def _count_try(database: Database, number: int, now: float) -> int:
    """Count an attempt as failed until `_forgive`; return the wait before the next one.

    Counting happens before the check, so parallel attempts gain nothing over sequential ones.

    Raises:
        LoginRefused: the attempt comes too early; it does not count.
    """
    failure = tables.login_failure
    with database.write() as connection:
        # Entries from the future exist if the clock was set back.
        is_over = (failure.c.last <= now - FORGOTTEN_S) | (failure.c.last > now + LONGEST_WAIT_S)
        connection.execute(sa.delete(failure).where(is_over))
        mine = failure.c.name_number == number
        row = connection.execute(sa.select(failure).where(mine)).one_or_none()
        failures = 1 if row is None else row.failures + 1
        left_s = 0.0 if row is None else row.last + _wait_s(row.failures) - now
        if left_s <= 0:
            connection.execute(sa.delete(failure).where(mine))
            connection.execute(
                sa.insert(failure).values(name_number=number, failures=failures, last=now)
            )
            return _wait_s(failures)
    raise LoginRefused("too many failed attempts", math.ceil(left_s))


def _forgive(connection: sa.Connection, number: int) -> None:
    failure = tables.login_failure
    connection.execute(sa.delete(failure).where(failure.c.name_number == number))


def _wait_s(failures: int) -> int:
    over = failures - FREE_TRIES
    return 0 if over < 0 else min(2 ** min(over, 10), LONGEST_WAIT_S)


def _check_no_accounts(connection: sa.Connection) -> None:
    if accounts.any_exist(connection):
        raise ReviewError("this review already has accounts; sign in, or ask a lead for an account")


def _is_code(connection: sa.Connection, code: str) -> bool:
    known = get_meta(connection, _CODE_KEY)
    return known is not None and hmac.compare_digest(known, _code_hash(code))


def _code_hash(code: str) -> str:
    return _sha256("".join(filter(str.isalnum, code[:100].lower())))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
