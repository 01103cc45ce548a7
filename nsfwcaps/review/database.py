"""Where a review is kept: SQLite in one file, or PostgreSQL for a team.

Reads see one state. Writes are one at a time: SQLite by `BEGIN IMMEDIATE`, PostgreSQL by a lock on
the row of the chain's head, so that the chain has no forks and no pair is given out too often. A
write is there as a whole, on the disk, when `write()` is left, or it is not there at all.
"""

from __future__ import annotations

import contextlib
import json
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
from nsfwcaps.review import tables

_BUSY_S = 15
_CONNECT_S = 10
_BEGIN = "nsfwcaps_begin"


class Database:
    """An open database of reviews."""

    def __init__(
        self,
        name: str,
        *,
        create: bool = False,
        read_only: bool = False,
        busy_s: float = _BUSY_S,
    ) -> None:
        """Open a file's database, or that of an address `postgresql://…`.

        A new file is its owner's alone: it will hold verdicts, hashes of passwords and what people
        were exposed to. With `read_only`, a file that cannot be written is opened all the same. A
        write waits at most `busy_s` for another one to end.

        Raises:
            ConfigError: the name is none.
            ReviewError: there is none, or it is damaged or of another version.
            StorageError: it cannot be reached or written.
        """
        self._url = _url(name)
        # A password may also stand behind the '?'.
        self.name = self._url.set(query={}).render_as_string(hide_password=True)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.name = str(self._url.database)
            _find_file(Path(self.name), create)
        self._fixed = read_only and self.is_sqlite and _is_fixed(Path(self.name))
        if self._fixed:
            self._engine = _fixed_engine(Path(self.name), busy_s)
        else:
            self._engine = _engine(self._url, self.is_sqlite, busy_s)
        # One state for all reads of a transaction; SQLite's are so by themselves.
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
        """Read one state of the database."""
        with self._translated(), self._reading.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Change something, alone; committed at the end, undone by an exception."""
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
            if found != tables.VERSION:
                raise ReviewError(
                    f"{self.name}: was written by another version of nsfwcaps (tables {found}, "
                    f"here {tables.VERSION}); export it with that one and begin a new review"
                )
        elif others := there & set(tables.metadata.tables):
            raise ReviewError(
                f"{self.name}: another program's tables are in it ({', '.join(sorted(others))}); "
                "name another database with --db"
            )
        elif create:
            self._create()
        else:
            raise ReviewError(
                f"{self.name}: holds no review; 'nsfwcaps review --data RUN --db …' begins one"
            )

    def _create(self) -> None:
        # All of it or nothing; another process may be about to do the same.
        with self._engine.connect() as connection:
            connection.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(sa.text("SELECT pg_advisory_xact_lock(20251124)"))
                if sa.inspect(connection).has_table("meta"):
                    return
                tables.metadata.create_all(connection)
                set_meta(connection, "version", tables.VERSION)
                # What writers hold, from the first write on; the log begins with the review.
                connection.execute(sa.insert(tables.head).values(one=1, seq=0, hash=""))

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except NsfwcapsError:
            raise
        except exc.TimeoutError:
            raise StorageError(f"{self.name}: too much is going on at once; try again") from None
        except exc.DBAPIError as error:
            told = _explained(error, self.name, self.is_sqlite)
            if self._fixed and isinstance(told, StorageError) and _wal(Path(self.name)).exists():
                told = StorageError(
                    f"{self.name}: cannot be written, and what was written last is still in "
                    f"{_wal(Path(self.name)).name} beside it; copy both to a folder that you may "
                    "write, and name the copy"
                )
            raise told from None


def get_meta(connection: sa.Connection, key: str) -> Any:
    """Return a value that `set_meta` wrote, or None."""
    text = connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == key))
    return None if text is None else json.loads(text)


def set_meta(connection: sa.Connection, key: str, value: Any) -> None:
    """Keep a JSON value under a key."""
    text = json.dumps(value, sort_keys=True)
    done = connection.execute(
        sa.update(tables.meta).where(tables.meta.c.key == key).values(value=text)
    )
    if done.rowcount == 0:
        connection.execute(sa.insert(tables.meta).values(key=key, value=text))


def _url(name: str) -> sa.URL:
    if not name.strip():
        raise ConfigError("--db: names nothing; write FILE or postgresql://…")
    if "://" not in name:
        return sa.URL.create("sqlite", database=str(Path(name).expanduser().resolve()))
    try:
        url = sa.make_url(name)
    except (exc.ArgumentError, ValueError):  # the latter quotes what should be a port
        raise ConfigError(
            "--db: this is no address of a database; write FILE or postgresql://…"
        ) from None
    if "@" in (url.host or ""):  # the end of a password, which messages would show
        raise ConfigError("--db: write '@' in a password as %40, '/' as %2F and ':' as %3A")
    backend = url.get_backend_name()
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database:
        return url
    raise ConfigError(f"--db: {backend} is not supported; write FILE or postgresql://…")


def _find_file(path: Path, create: bool) -> None:
    """Look whether a file is there, or make it."""
    if path.is_dir():
        raise StorageError(f"{path}: is a folder; name a file in it with --db")
    if path.is_file():
        return
    if not create:
        raise ReviewError(f"{path}: no review is there; 'nsfwcaps review --data RUN' begins one")
    if not path.parent.is_dir():
        raise StorageError(f"{path}: its folder does not exist; make it, or name another with --db")
    # Another process may just have made it; if nobody can, SQLite says why. SQLite gives its files
    # beside this one the same mode. One that is there must not be opened: closing it would end
    # SQLite's locks on it.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _is_fixed(path: Path) -> bool:
    """Whether a file can be read, but not by the ways of a database that others write."""
    can_write = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return os.access(path, os.R_OK) and not can_write


def _wal(path: Path) -> Path:
    """Where SQLite keeps what was written last, as long as the database is in use."""
    return path.with_name(f"{path.name}-wal")


def _fixed_engine(path: Path, busy_s: float) -> sa.Engine:
    query = {"uri": "true", "mode": "ro"}
    # Without this file nobody has it open, and SQLite needs to make none to see who does.
    if not _wal(path).exists():
        query["immutable"] = "1"
    url = sa.URL.create("sqlite", database=f"file:{quote(str(path))}", query=query)
    return sa.create_engine(url, hide_parameters=True, connect_args={"timeout": busy_s})


def _engine(url: sa.URL, is_sqlite: bool, busy_s: float) -> sa.Engine:
    # No values in errors: they may hold captions and comments.
    if not is_sqlite:
        return _postgresql_engine(url)
    engine = sa.create_engine(url, hide_parameters=True, connect_args={"timeout": busy_s})

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver begins no transactions; we do, below
        # WAL: readers do not wait for the writer. FULL: what was accepted survives a power cut.
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
        # A server may be set up to confirm before it has written; here that would lose verdicts.
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('synchronous_commit', 'on', false) "
                "WHERE current_setting('synchronous_commit') = 'off'"
            )
        connection.commit()

    return engine


def _use_wal(connection: Any, busy_s: float) -> None:
    """Change a new file to WAL. SQLite itself does not wait where two processes do so at once."""
    ends = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > ends:
                raise
            time.sleep(0.01)


# What SQLite says, and what that means for people.
_SAYINGS = {
    "locked": "another program holds it; nothing was written: close that program and try again",
    "full": "the disk is full; nothing was written: free some space and try again",
    "disk i/o": "the disk reports an error; nothing was written: look at the disk and its space",
    "readonly": "it cannot be written; look at its permissions and those of its folder",
    "unable to open": "it cannot be opened; look at its permissions and those of its folder",
}
_NO_DATABASE = "file is not a database"
_DAMAGED = ("malformed", _NO_DATABASE, "no such table", "no such column", "corrupt")
# The same of PostgreSQL, by the beginning of its codes.
_STATES = {
    "22": "the server cannot keep such a value, as one with a character of code 0",
    "53100": "the server's disk is full; nothing was written: free some space and try again",
    "55P03": "somebody else is writing for long; nothing was written: try again",
    "57P": "the server has just stopped; look whether it runs, and try again",
    "25006": "the server takes no changes now; look whether it is a copy of another one",
    "42501": "this name may not read or change it; ask whoever keeps the server",
    "42P01": "tables are missing; put the last copy of the database back",
    "42703": "columns are missing; put the last copy of the database back",
    "XX": "the database is damaged; put its last copy back",
}


def _explained(error: exc.DBAPIError, name: str, is_sqlite: bool) -> NsfwcapsError:
    if isinstance(error, exc.IntegrityError):
        return ReviewError(f"{name}: somebody else has just written the same; try again")
    return _of_sqlite(error, name) if is_sqlite else _of_postgresql(error, name)


def _of_sqlite(error: exc.DBAPIError, name: str) -> NsfwcapsError:
    said = str(error.orig).lower()
    if any(word in said for word in _DAMAGED):
        broken = "the database is damaged"
        what = f"this is no database, or {broken}" if _NO_DATABASE in said else broken
        return ReviewError(f"{name}: {what}; put its last copy back")
    for word, advice in _SAYINGS.items():
        if word in said:
            return StorageError(f"{name}: {advice}")
    kind = type(error.orig).__name__
    return StorageError(f"{name}: SQLite reports {kind}; nothing was written")


def _of_postgresql(error: exc.DBAPIError, name: str) -> NsfwcapsError:
    state = getattr(error.orig, "sqlstate", None) or ""
    if isinstance(error, exc.DataError):  # the driver itself refuses some, without a code
        state = state or "22"
    for beginning, advice in _STATES.items():
        if state.startswith(beginning):
            return StorageError(f"{name}: {advice}")
    kind = type(error.orig).__name__
    if error.connection_invalidated or not state:
        # Lost while it confirmed: only a look can tell whether it was written.
        return StorageError(
            f"{name}: the server cannot be reached or refused ({kind}); look at address, name, "
            "password and whether it runs, and try again"
        )
    return StorageError(f"{name}: the server reports {kind} ({state}); nothing was written")
