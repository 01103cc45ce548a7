"""`nsfwcaps review account`: the accounts of a review."""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import json
import time
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from nsfwcaps.commands.options import Json
from nsfwcaps.errors import ConfigError, InputError

if TYPE_CHECKING:
    from nsfwcaps.review.database import Database
    from nsfwcaps.review.people.accounts import Role

app = typer.Typer(
    name="account", help="Add, change and list the accounts of a review.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="Sign-in name.")]
# From the environment too: the URL may hold a password, which a process list would show.
Db = Annotated[
    str,
    typer.Option(
        "--db",
        envvar="NSFWCAPS_REVIEW_DB",
        help="Database of the review: a file, or a PostgreSQL URL.",
    ),
]
Stdin = Annotated[
    bool,
    typer.Option(
        "--password-stdin", help="Read the password from the first line of standard input."
    ),
]


@app.command("add")
def add(
    name: Name,
    db: Db,
    role: Annotated[
        str, typer.Option("--role", metavar="annotator|lead", help="Role of the account.")
    ] = "annotator",
    password_stdin: Stdin = False,
) -> None:
    """Add an account; verdicts carry the printed pseudonym, never the name.

    The password has to be changed at the first sign-in.
    """
    from nsfwcaps.review.people import accounts

    chosen = _role(role)
    with _opened(db) as database:
        with database.read() as connection:
            people = accounts.everyone(connection)
        if chosen is not accounts.Role.LEAD and not people:
            raise ConfigError("the first account must be a lead: add it with --role lead")
        name = accounts.clean_name(name)
        if accounts.name_key(name) in {accounts.name_key(person.name) for person in people}:
            raise InputError(f"the name '{name}' is taken; choose another")
        password_hash = accounts.hash_password(name, _password(password_stdin))
        with database.write() as connection:
            account = accounts.create(
                connection, name, password_hash, chosen, time.time(), must_change=True
            )
    typer.echo(f"{account.account_id}: {account.name}, {account.role}")


@app.command("list")
def list_accounts(db: Db, as_json: Json = False) -> None:
    """List the accounts with their pseudonyms."""
    from nsfwcaps.review.people import accounts

    with _opened(db) as database, database.read() as connection:
        people = accounts.everyone(connection)
    if as_json:
        rows = [dataclasses.asdict(person) for person in people]
        typer.echo(json.dumps({"accounts": rows}, indent=1))
        return
    for person in people:
        state = "  disabled" if person.disabled else ""
        typer.echo(f"{person.account_id}  {person.role:<9}  {person.name}{state}")


@app.command("password")
def password(name: Name, db: Db, password_stdin: Stdin = False) -> None:
    """Set a new password, to be changed at the next sign-in, and end all sessions."""
    from nsfwcaps.review.people import accounts

    with _opened(db) as database:
        with database.read() as connection:
            account = accounts.find(connection, name)
        password_hash = accounts.hash_password(account.name, _password(password_stdin))
        with database.write() as connection:
            accounts.set_password(connection, account.account_id, password_hash, must_change=True)
    typer.echo(f"{account.name} has a new password, and changes it at the next sign-in")


@app.command("role")
def role(
    name: Name,
    db: Db,
    role: Annotated[str, typer.Argument(metavar="annotator|lead", help="Role of the account.")],
) -> None:
    """Change the role of an account."""
    from nsfwcaps.review.people import accounts

    chosen = _role(role)
    with _opened(db) as database, database.write() as connection:
        account = accounts.find(connection, name)
        accounts.set_role(connection, account.account_id, chosen)
    typer.echo(f"{account.name} is now {chosen}")


@app.command("disable")
def disable(name: Name, db: Db) -> None:
    """Disable an account at once; its verdicts are kept."""
    from nsfwcaps.review.people import accounts

    with _opened(db) as database, database.write() as connection:
        account = accounts.find(connection, name)
        accounts.disable(connection, account.account_id)
    typer.echo(f"{account.name} is disabled")


@app.command("enable")
def enable(name: Name, db: Db) -> None:
    """Enable a disabled account."""
    from nsfwcaps.review.people import accounts

    with _opened(db) as database, database.write() as connection:
        account = accounts.find(connection, name)
        accounts.enable(connection, account.account_id)
    typer.echo(f"{account.name} is enabled")


@contextlib.contextmanager
def _opened(db: str) -> Iterator[Database]:
    from nsfwcaps.review.database import Database

    with contextlib.closing(Database(db)) as database:
        yield database


def _role(text: str) -> Role:
    from nsfwcaps.review.people.accounts import Role

    try:
        return Role(text)
    except ValueError:
        raise ConfigError(f"role: must be {' or '.join(Role)}, got '{text}'") from None


def _password(from_stdin: bool) -> str:
    """The password, from a prompt (twice) or standard input; never from an option."""
    if not from_stdin:
        with warnings.catch_warnings():
            # Without a terminal, getpass would echo the password.
            warnings.simplefilter("error", getpass.GetPassWarning)
            try:
                return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
            except getpass.GetPassWarning:
                raise ConfigError(
                    "no terminal to prompt for the password; use --password-stdin"
                ) from None
    line = typer.get_binary_stream("stdin").readline(8_192)
    try:
        return line.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise InputError("the password is not UTF-8 text") from None
