"""`nsfwcaps review`: prepare the queue and serve the review page."""

from __future__ import annotations

import errno
import os
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
from nsfwcaps.commands.review import accounts, integrity, log
from nsfwcaps.errors import ConfigError
from nsfwcaps.review.queue.policy import Policy
from nsfwcaps.stage import Values

if TYPE_CHECKING:
    from nsfwcaps.review.database import Database
    from nsfwcaps.review.queue.opening import Opened

DATABASE = "NSFWCAPS_REVIEW_DB"
DATA = "NSFWCAPS_REVIEW_DATA"
"""Tells the page what to open. Arguments would be visible to every user in the process list."""


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
    update: Annotated[
        bool, typer.Option("--update", help="Queue the new pairs of a changed data set.")
    ] = False,
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
    name = str(folder.parent / "review.sqlite") if db is None else db
    if not prepare_only:
        _check_free(address, port)
    # Only with the page: a new code would invalidate that of a running page.
    code, opened = _prepare(
        name, folder, given[_ReviewRules.name], update, with_code=not prepare_only
    )
    typer.echo(_queue_line(opened))
    if prepare_only:
        return
    host = f"[{address}]" if ":" in address else address
    typer.echo(f"Open http://{host}:{port} (Ctrl-C to stop)")
    if code is not None:
        typer.echo(f"No accounts yet. Create the first lead there with the code {code}")
    sys.stdout.flush()
    os.environ[DATABASE], os.environ[DATA] = name, str(folder.resolve())
    # The server replaces this process, so stopping the command stops the server.
    os.execv(sys.executable, server(address, port))


def server(address: str, port: int) -> list[str]:
    """Command line of the page's server."""
    options = {
        "server.address": address,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.enableStaticServing": "false",
        "browser.gatherUsageStats": "false",
        # A traceback may quote a caption; reviewers need no developer menu.
        "client.showErrorDetails": "none",
        "client.toolbarMode": "viewer",
        "theme.primaryColor": "#2f6690",
    }
    script = resources.folder("app") / "review.py"
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [sys.executable, "-m", "streamlit", "run", str(script), *flags]


def _prepare(
    name: str, folder: Path, rules: dict[str, Any], update: bool, *, with_code: bool
) -> tuple[str | None, Opened]:
    """Create or open the review. `with_code` makes a setup code if there is no account yet."""
    from nsfwcaps.review.database import Database
    from nsfwcaps.review.pairs import ReviewPairs
    from nsfwcaps.review.people import accounts, logins
    from nsfwcaps.review.queue.opening import open_review

    pairs = ReviewPairs(folder)
    database: Database = Database(name, create=True)
    opened = open_review(database, pairs, rules, update=update)
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
