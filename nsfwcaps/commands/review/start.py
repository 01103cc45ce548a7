"""`nsfwcaps review`: prepare the queue and serve the review page."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import shlex
import socket
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsfwcaps import extras, resources
from nsfwcaps.commands.options import with_settings
from nsfwcaps.commands.places import on_store
from nsfwcaps.commands.review import accounts, integrity, log
from nsfwcaps.errors import ConfigError
from nsfwcaps.review.queue.policy import Policy
from nsfwcaps.stage import Values
from nsfwcaps.stores.session import Use, address_in

if TYPE_CHECKING:
    from nsfwcaps.review.database import Database
    from nsfwcaps.review.queue.opening import Opened

DATABASE = "NSFWCAPS_REVIEW_DB"
DATA = "NSFWCAPS_REVIEW_DATA"
OIDC = "NSFWCAPS_REVIEW_OIDC"
"""Tells the page what to open. Arguments would be visible to every user in the process list."""
_BASE = re.compile(r"[\w-]+(/[\w-]+)*", re.ASCII)


@dataclass(frozen=True)
class _ReviewRules:
    name: str = "rules of the review"
    settings: type[Any] = Policy


def register(app: typer.Typer) -> None:
    """Add the command and its subcommands."""
    group = typer.Typer(invoke_without_command=True)
    group.callback()(with_settings([_ReviewRules()])(review))
    group.add_typer(accounts.app)
    log.register(group)
    integrity.register(group)
    app.add_typer(group, name="review")


@on_store(data=Use.READ)
def review(
    context: typer.Context,
    given: Values,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of a run or of a data set.")
    ] = None,
    db: Annotated[
        str | None,
        typer.Option(
            "--db",
            envvar=DATABASE,
            help="Database of the review: a file, or a PostgreSQL URL. "
            "Default: review.sqlite next to the data set.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")
    ] = 8501,
    address: Annotated[
        str,
        typer.Option(
            "--address", help="Listening address; any but localhost is open to the network."
        ),
    ] = "localhost",
    base_path: Annotated[
        str,
        typer.Option("--base-path", help="Path of the page behind a proxy, such as /review."),
    ] = "",
    oidc: Annotated[
        Path | None,
        typer.Option(
            "--oidc",
            envvar=OIDC,
            help="TOML file with the OpenID Connect provider at which people can sign in.",
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Queue the new pairs of a changed data set.")
    ] = False,
    guidelines: Annotated[
        Path | None,
        typer.Option(
            "--guidelines", help="Markdown file shown to annotators; kept with the review."
        ),
    ] = None,
    prepare_only: Annotated[
        bool, typer.Option("--prepare", help="Prepare the queue without serving the page.")
    ] = False,
) -> None:
    """Review pairs in the browser, with as little exposure as possible."""
    if context.invoked_subcommand is not None:
        return
    extras.require({"review": "review"})
    if data is None:
        raise ConfigError("review: no data set given; name a run with --data RUN")
    folder = log.data_set(data)
    if db is None and address_in(folder) is not None:
        raise ConfigError(
            "review: the data set is on a store, where the database cannot be; name a file with "
            "--db review.sqlite, or a PostgreSQL server"
        )
    name = str(folder.parent / "review.sqlite") if db is None else db
    base = _clean_base(base_path)
    if oidc is not None:
        _check_providers(oidc, address, port, base)
    if not prepare_only:
        _check_free(address, port)
    # Only with the page: a new code would invalidate that of a running page.
    code, opened = _prepare(
        name,
        folder,
        given[_ReviewRules.name],
        update,
        guidelines_file=guidelines,
        with_code=not prepare_only,
    )
    typer.echo(_queue_line(opened))
    if prepare_only:
        return
    _warn_of_plain_http(address)
    host = f"[{address}]" if ":" in address else address
    typer.echo(f"Open http://{host}:{port}{base} (Ctrl-C to stop)")
    if code is not None:
        typer.echo(f"No accounts yet. Create the first lead there with the code {code}")
    sys.stdout.flush()
    os.environ[DATABASE], os.environ[DATA] = name, str(folder.resolve())
    if oidc is not None:
        os.environ[OIDC] = str(oidc.resolve())
    # The server replaces this process, so stopping the command stops the server.
    os.execv(sys.executable, server(address, port, base))


def server(address: str, port: int, base_path: str) -> list[str]:
    """Command line of the page's server."""
    return [
        sys.executable,
        str(resources.folder("app") / "review_server.py"),
        *(address, str(port), base_path),
    ]


def _clean_base(path: str) -> str:
    """Return a base path as `/part/part`, or `` for none.

    Raises:
        ConfigError: it has characters that differ between a proxy and the page.
    """
    parts = path.strip("/")
    if parts and not _BASE.fullmatch(parts):
        raise ConfigError(
            f"--base-path {path!r}: expected letters, digits, '-', '_' and '/', such as /review"
        )
    return f"/{parts}" if parts else ""


def _warn_of_plain_http(address: str) -> None:
    """Print one warning if others than this machine can connect."""
    if not _is_loopback(address):
        typer.echo(
            f"warning: --address {address} lets others connect over plain HTTP, which shows "
            "passwords and captions to anyone on the way; use a proxy with TLS instead "
            "(docs/how-to/review-server.md)",
            err=True,
        )


def _is_loopback(address: str) -> bool:
    try:
        found = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(place[0]).is_loopback for *_, place in found)


def _check_providers(path: Path, address: str, port: int, base: str) -> None:
    """Check the file that names the providers, before anything is written."""
    from nsfwcaps.review.people.providers import check_served, providers

    extras.require({"oidc": "review --oidc"})
    providers(path)
    check_served(path, address.lower() if _is_loopback(address) else "", port, base)
    if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        fix = f"chmod go= {shlex.quote(str(path))}"
        typer.echo(
            f"{path} holds secrets that others on this machine can read; run '{fix}'", err=True
        )


def _prepare(
    name: str,
    folder: Path,
    rules: dict[str, Any],
    update: bool,
    *,
    guidelines_file: Path | None,
    with_code: bool,
) -> tuple[str | None, Opened]:
    """Create or open the review. `with_code` makes a setup code if there is no account yet."""
    from nsfwcaps.review.database import Database
    from nsfwcaps.review.pairs import ReviewPairs
    from nsfwcaps.review.people import accounts, logins
    from nsfwcaps.review.queue import guidelines
    from nsfwcaps.review.queue.opening import open_review

    given = None if guidelines_file is None else guidelines.read(guidelines_file)
    pairs = ReviewPairs(folder)
    database: Database = Database(name, create=True)
    if database.migrated:
        typer.echo(log.MIGRATED.format(database.name), err=True)
    opened = open_review(database, pairs, rules, update=update)
    if given is not None:
        with database.write() as connection:
            done = guidelines.keep(connection, given)
        if done is not None:
            typer.echo(f"guidelines {done}")
    code = None
    if with_code:
        with database.write() as connection:
            new = not accounts.any_exist(connection)
            code = logins.make_setup_code(connection) if new else None
    database.close()
    if database.is_sqlite:
        _warn_of_readers(Path(database.name))
    return code, opened


def _warn_of_readers(path: Path) -> None:
    if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        fix = f"chmod o= {shlex.quote(str(path))}"
        typer.echo(f"{path} is accessible to every user of this machine; run '{fix}'", err=True)


def _queue_line(opened: Opened) -> str:
    filled = opened.filled
    overlap = opened.policy.overlap
    people = "one person" if overlap == 1 else f"{overlap} people"
    parts = [f"pairs in the queue: {opened.queued}, {people} per pair"]
    if filled.added and filled.added != opened.queued:
        parts.append(f"new: {filled.added}")
    if filled.gone:
        parts.append(f"no longer in the data set: {filled.gone}")
    return "; ".join(parts)


def _check_free(address: str, port: int) -> None:
    """Check that the server can listen on the address, by IPv4 or IPv6."""
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        found = []
    listens = [_can_listen(family, place, address) for family, _, _, _, place in found]
    if not any(listens):
        raise ConfigError(f"'{address}' is not an address of this machine; change --address")


def _can_listen(family: int, place: Any, address: str) -> bool:
    """Whether this machine can bind a socket address.

    Raises:
        ConfigError: the address exists, but its port is taken or not permitted.
    """
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            trial.bind(place)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            return False
        raise ConfigError(
            f"port {place[1]} of {address} is in use or not permitted; choose another with --port"
        ) from None
    return True
