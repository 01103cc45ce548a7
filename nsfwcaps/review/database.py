"""Storage of a review: SQLite in one file, or PostgreSQL for a team.

A read transaction sees one snapshot. Writes are serialised: by `BEGIN IMMEDIATE` in SQLite, by a
lock on the `head` row in PostgreSQL. So the hash chain cannot fork, and no pair is assigned too
often. Leaving `write()` commits durably; an exception rolls back.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import exc

from nsfwcaps import extras
from nsfwcaps.errors import ConfigError, NsfwcapsError, ReviewError, StorageError
from nsfwcaps.review import migrations, tables
from nsfwcaps.review.meta import get_meta as get_meta
from nsfwcaps.review.meta import set_meta as set_meta

_BUSY_S = 15
_CONNECT_S = 10
_BEGIN = "nsfwcaps_begin"


class Database:
    """An open review database."""

    def __init__(
        self,
        name: str,
        *,
        create: bool = False,
        read_only: bool = False,
        busy_s: float = _BUSY_S,
    ) -> None:
        """Open a SQLite file or a `postgresql://…` address.

        A new file is readable by its owner only, as it holds verdicts, password hashes and exposure
        records. `read_only` also opens a file without write permission. A write waits up to
        `busy_s` seconds for another writer.

        Raises:
            ConfigError: the name is invalid.
            ReviewError: there is no review, or it is damaged or of another version.
            StorageError: the database cannot be reached or written.
        """
        self._url = _url(name)
        # The query string may hold a password too.
        self.name = self._url.set(query={}).render_as_string(hide_password=True)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.name = str(self._url.database)
            _find_file(Path(self.name), create)
        self.migrated = False
        """Whether opening brought it up to date from an earlier version."""
        self._fixed = read_only and self.is_sqlite and _is_fixed(Path(self.name))
        if self._fixed:
            self._engine = _fixed_engine(Path(self.name), busy_s)
        else:
            self._engine = _engine(self._url, self.is_sqlite, busy_s)
        # One snapshot per read transaction; SQLite provides that by default.
        level = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._reading = self._engine.execution_options(**level)
        self._busy_s = busy_s
        try:
            with self._translated():
                self._prepare(create)
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a read transaction on one snapshot."""
        with self._translated(), self._reading.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Open the exclusive write transaction: committed on exit, rolled back by an exception."""
        with self._translated(), self._engine.connect() as connection:
            connection.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
            with connection.begin():
                if not self.is_sqlite:
                    connection.exec_driver_sql(
                        f"SET LOCAL lock_timeout = {self._busy_s * 1000:.0f}"
                    )
                    connection.execute(sa.select(tables.head).with_for_update())
                yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _prepare(self, create: bool) -> None:
        with self.read() as connection:
            there = set(sa.inspect(connection).get_table_names())
            found = get_meta(connection, "version") if "meta" in there else None
        if "meta" in there:
            if found in migrations.EARLIER:
                self._migrate()
            elif found != tables.VERSION:
                raise ReviewError(
                    f"{self.name}: written by another version of nsfwcaps (tables {found}, "
                    f"expected {tables.VERSION}); export it there and start a new review"
                )
        elif others := there & set(tables.metadata.tables):
            raise ReviewError(
                f"{self.name}: contains tables of another program ({', '.join(sorted(others))}); "
                "name another database with --db"
            )
        elif create:
            self._create()
        else:
            raise ReviewError(
                f"{self.name}: contains no review; start one with "
                "'nsfwcaps review --data RUN --db …'"
            )

    def _create(self) -> None:
        # One transaction; another process may be creating the same tables.
        with self._engine.connect() as connection:
            connection.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(sa.text("SELECT pg_advisory_xact_lock(20251124)"))
                if sa.inspect(connection).has_table("meta"):
                    return
                tables.metadata.create_all(connection)
                set_meta(connection, "version", tables.VERSION)
                # The row that writers lock; the log starts with the review.
                connection.execute(sa.insert(tables.head).values(one=1, seq=0, hash=""))

    def _migrate(self) -> None:
        if self._fixed:
            raise ReviewError(
                f"{self.name}: written by an earlier version of nsfwcaps, and not writable; make "
                "it writable, or copy it and open the copy"
            )
        with self.write() as connection:
            self.migrated = migrations.migrate(connection)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except NsfwcapsError:
            raise
        except exc.TimeoutError:
            raise StorageError(f"{self.name}: too many connections at once; try again") from None
        except exc.DBAPIError as error:
            explained = _explained(error, self.name, self.is_sqlite)
            if (
                self._fixed
                and isinstance(explained, StorageError)
                and _wal(Path(self.name)).exists()
            ):
                explained = StorageError(
                    f"{self.name}: read-only, and the latest writes are still in "
                    f"{_wal(Path(self.name)).name} beside it; copy both files to a writable folder "
                    "and open the copy"
                )
            raise explained from None


def _url(name: str) -> sa.URL:
    if not name.strip():
        raise ConfigError("--db is empty; expected FILE or postgresql://…")
    if "://" not in name:
        return sa.URL.create("sqlite", database=str(Path(name).expanduser().resolve()))
    try:
        url = sa.make_url(name)
    except (exc.ArgumentError, ValueError):  # its message quotes the invalid port
        raise ConfigError("--db: not a database address; expected FILE or postgresql://…") from None
    if "@" in (url.host or ""):  # part of a password, which messages would show
        raise ConfigError("--db: write '@' in a password as %40, '/' as %2F and ':' as %3A")
    backend = url.get_backend_name()
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database:
        return url
    raise ConfigError(f"--db: {backend} is not supported; expected FILE or postgresql://…")


def _find_file(path: Path, create: bool) -> None:
    """Check that a database file exists, or create it."""
    if path.is_dir():
        raise StorageError(f"{path}: is a folder, expected a file; pass a file with --db")
    if path.is_file():
        return
    if not create:
        raise ReviewError(f"{path}: no review found; start one with 'nsfwcaps review --data RUN'")
    if not path.parent.is_dir():
        raise StorageError(f"{path}: its folder does not exist; create it or pass another --db")
    # Another process may have created it already; if creation fails, SQLite reports why. SQLite
    # gives its companion files the same mode. Never open an existing file here: closing it would
    # drop SQLite's locks.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _is_fixed(path: Path) -> bool:
    """Whether a file is readable, but cannot be opened as a shared writable database."""
    can_write = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return os.access(path, os.R_OK) and not can_write


def _wal(path: Path) -> Path:
    """Path of SQLite's write-ahead log, which holds the latest writes while the file is open."""
    return path.with_name(f"{path.name}-wal")


def _fixed_engine(path: Path, busy_s: float) -> sa.Engine:
    query = {"uri": "true", "mode": "ro"}
    # Without a WAL file nobody has it open, and SQLite need not create one to find out.
    if not _wal(path).exists():
        query["immutable"] = "1"
    url = sa.URL.create("sqlite", database=f"file:{quote(str(path))}", query=query)
    return sa.create_engine(url, hide_parameters=True, connect_args={"timeout": busy_s})


def _engine(url: sa.URL, is_sqlite: bool, busy_s: float) -> sa.Engine:
    # Keep bound values out of error messages: they may hold captions and comments.
    if not is_sqlite:
        return _postgresql_engine(url)
    engine = sa.create_engine(url, hide_parameters=True, connect_args={"timeout": busy_s})

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # disable the driver's own BEGIN; we issue it below
        # WAL: readers do not block on the writer. FULL: committed writes survive a power cut.
        _use_wal(connection, busy_s)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))

    return engine


def _postgresql_engine(url: sa.URL) -> sa.Engine:
    waits = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_S}
    try:
        engine = sa.create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=waits)
    except ModuleNotFoundError:
        raise ConfigError(extras.lacking("postgresql", "psycopg", "PostgreSQL")) from None

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        # A server may acknowledge commits before writing them; that would lose verdicts.
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('synchronous_commit', 'on', false) "
                "WHERE current_setting('synchronous_commit') = 'off'"
            )
        connection.commit()

    return engine


def _use_wal(connection: Any, busy_s: float) -> None:
    """Switch a new file to WAL. SQLite does not wait if two processes do so at once."""
    ends = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > ends:
                raise
            time.sleep(0.01)


# SQLite's messages, and advice for each.
_SQLITE_ADVICE = {
    "locked": "locked by another program; nothing was written: close that program and try again",
    "full": "the disk is full; nothing was written: free some space and try again",
    "disk i/o": "disk I/O error; nothing was written: check the disk and its free space",
    "readonly": "not writable; check the permissions of the file and its folder",
    "unable to open": "cannot be opened; check the permissions of the file and its folder",
}
_NO_DATABASE = "file is not a database"
_DAMAGED = ("malformed", _NO_DATABASE, "no such table", "no such column", "corrupt")
# The same for PostgreSQL, by prefix of its SQLSTATE codes.
_POSTGRESQL_ADVICE = {
    "22": "the server cannot store this value (it may contain a NUL character)",
    "53100": "the server's disk is full; nothing was written: free some space and try again",
    "55P03": "another writer holds the lock; nothing was written: try again",
    "57P": "the server is shutting down; check that it runs and try again",
    "25006": "the server is read-only; check whether it is a replica",
    "42501": "this user lacks permission to read or write it; ask the database administrator",
    "42P01": "tables are missing; restore the latest backup",
    "42703": "columns are missing; restore the latest backup",
    "XX": "the database is damaged; restore the latest backup",
}


def _explained(error: exc.DBAPIError, name: str, is_sqlite: bool) -> NsfwcapsError:
    if isinstance(error, exc.IntegrityError):
        return ReviewError(f"{name}: another user wrote the same entry at the same time; try again")
    return _of_sqlite(error, name) if is_sqlite else _of_postgresql(error, name)


def _of_sqlite(error: exc.DBAPIError, name: str) -> NsfwcapsError:
    message = str(error.orig).lower()
    if any(word in message for word in _DAMAGED):
        broken = "the database is damaged"
        what = f"not a database, or {broken}" if _NO_DATABASE in message else broken
        return ReviewError(f"{name}: {what}; restore the latest backup")
    for word, advice in _SQLITE_ADVICE.items():
        if word in message:
            return StorageError(f"{name}: {advice}")
    kind = type(error.orig).__name__
    return StorageError(f"{name}: SQLite reports {kind}; nothing was written")


def _of_postgresql(error: exc.DBAPIError, name: str) -> NsfwcapsError:
    state = getattr(error.orig, "sqlstate", None) or ""
    if isinstance(error, exc.DataError):  # the driver rejects some values without a code
        state = state or "22"
    for beginning, advice in _POSTGRESQL_ADVICE.items():
        if state.startswith(beginning):
            return StorageError(f"{name}: {advice}")
    kind = type(error.orig).__name__
    if error.connection_invalidated or not state:
        # The connection may break during COMMIT: the caller must check what was written.
        return StorageError(
            f"{name}: cannot connect to the server ({kind}); check the address, user, "
            "password and that the server runs, then try again"
        )
    return StorageError(f"{name}: the server reports {kind} ({state}); nothing was written")
