"""The database of a review, and what people are told when it fails."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support import postgres_server

from nsfwcaps.errors import ConfigError, NsfwcapsError, ReviewError, StorageError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database, get_meta, set_meta

SECRET = "s3cret"
CAPTION = "a broken window at night"


def put(connection: sa.Connection, value: str, key: str = "x") -> None:
    set_meta(connection, key, value)


def put_all(connection: sa.Connection, *values: Any) -> None:
    for value in values:
        put(connection, value)


def test_a_write_is_there_as_a_whole_or_not_at_all(database: Database, address: str) -> None:
    with database.write() as connection:
        put(connection, "one")
    with pytest.raises(TypeError), database.write() as connection:
        put_all(connection, "two", object())
    other = Database(address)
    with other.read() as connection:
        assert get_meta(connection, "x") == "one"
        assert get_meta(connection, "y") is None
    other.close()


def test_a_read_sees_one_state(database: Database, address: str) -> None:
    other = Database(address)
    with database.read() as reading:
        assert get_meta(reading, "x") is None
        with other.write() as writing:
            put(writing, "late")
        assert get_meta(reading, "x") is None
    with database.read() as reading:
        assert get_meta(reading, "x") == "late"
    other.close()


def test_a_writer_sees_what_the_one_before_it_wrote(database: Database, address: str) -> None:
    adding = (
        "import sys\n"
        "from nsfwcaps.review.database import Database, get_meta, set_meta\n"
        "database = Database(sys.argv[1])\n"
        "for _ in range(50):\n"
        "    with database.write() as connection:\n"
        "        set_meta(connection, 'n', (get_meta(connection, 'n') or 0) + 1)\n"
    )
    command = [sys.executable, "-c", adding, address]
    running = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    with database.read() as connection:
        assert get_meta(connection, "n") == 200


def test_a_write_waits_no_longer_than_it_may(database: Database, address: str) -> None:
    hasty = Database(address, busy_s=0.1)
    with database.write() as connection:
        put(connection, CAPTION)
        with pytest.raises(StorageError, match="nothing was written") as failed, hasty.write():
            pass
    assert CAPTION not in str(failed.value)
    with hasty.write() as connection:
        put(connection, "now")
    hasty.close()


def test_an_error_quotes_no_value(database: Database) -> None:
    with pytest.raises(ReviewError) as failed, database.write() as connection:
        connection.execute(sa.insert(tables.meta), [{"key": CAPTION, "value": CAPTION}] * 2)
    assert "wrote the same entry" in str(failed.value)
    assert CAPTION not in str(failed.value)
    assert failed.value.__suppress_context__


def test_there_is_none(address: str) -> None:
    with pytest.raises(ReviewError, match="nsfwcaps review --data"):
        Database(address)


def test_another_version(database: Database, address: str) -> None:
    with database.write() as connection:
        set_meta(connection, "version", 99)
    with pytest.raises(ReviewError, match=r"another version of nsfwcaps \(tables 99"):
        Database(address, create=True)


def test_tables_of_another_program(database: Database, address: str) -> None:
    with database.write() as connection:
        connection.execute(sa.text("DROP TABLE meta"))
    with pytest.raises(ReviewError, match="tables of another program"):
        Database(address, create=True)


@pytest.mark.parametrize(
    "name",
    [
        f"postgresql://ann:{SECRET}@localhost:port/review",
        f"postgresql://ann:{SECRET}@{SECRET}@localhost/review",
        f"mysql://ann:{SECRET}@localhost/review",
        f"://{SECRET}",
    ],
)
def test_an_address_that_is_none(name: str) -> None:
    with pytest.raises(ConfigError, match="--db") as failed:
        Database(name)
    assert SECRET not in str(failed.value)


@pytest.mark.parametrize(
    "where", [f"ann:{SECRET}@localhost:1/r", f"localhost:1/r?password={SECRET}"]
)
def test_a_server_that_is_not_there(where: str) -> None:
    with pytest.raises(StorageError, match="cannot connect to the server") as failed:
        Database(f"postgresql://{where}", create=True)
    assert SECRET not in str(failed.value)


def test_a_wrong_password(server: postgres_server.Server) -> None:
    rules = server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all nobody scram-sha-256\n{before}")
    try:
        server.reload()
        with pytest.raises(StorageError, match="password") as failed:
            Database(server.address().replace("//tests@", f"//nobody:{SECRET}@"), create=True)
    finally:
        rules.write_text(before)
        server.reload()
    assert SECRET not in str(failed.value)


def test_a_server_that_comes_back(postgresql: str, server: postgres_server.Server) -> None:
    database = Database(postgresql, create=True)
    with database.write() as connection:
        put(connection, "kept")
    server.stop("immediate")
    with pytest.raises(StorageError, match="that the server runs"), database.write():
        pass
    server.start()
    with database.read() as connection:
        assert get_meta(connection, "x") == "kept"
    database.close()


def test_a_server_that_confirms_too_early_is_told_not_to(postgresql: str) -> None:
    database = Database(
        postgresql.replace("&options=", "&options=-csynchronous_commit%3Doff%20"), create=True
    )
    with database.read() as connection:
        assert connection.scalar(sa.text("SHOW synchronous_commit")) == "on"
    database.close()


def test_a_value_that_postgresql_cannot_keep(postgresql: str) -> None:
    database = Database(postgresql, create=True)
    with (
        pytest.raises(StorageError, match="NUL character") as failed,
        database.write() as connection,
    ):
        connection.execute(sa.insert(tables.meta).values(key=f"{CAPTION}\0", value=""))
    assert CAPTION not in str(failed.value)
    database.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database of SQLite that is closed."""
    path = tmp_path / "review.sqlite"
    database = Database(str(path), create=True)
    with database.write() as connection:
        put(connection, CAPTION)
    database.close()
    return path


def test_sqlite_survives_a_power_cut(file: Path) -> None:
    database = Database(str(file))
    with database.read() as connection:
        assert connection.scalar(sa.text("PRAGMA synchronous")) == 2  # FULL
        assert connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(sa.text("PRAGMA foreign_keys")) == 1
    database.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(CAPTION * 100)
    with pytest.raises(ReviewError, match="not a database") as failed:
        Database(str(path), create=True)
    assert CAPTION not in str(failed.value)
    assert path.read_text() == CAPTION * 100


def test_a_damaged_file(file: Path) -> None:
    # Every page but the first is overwritten.
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(ReviewError, match="damaged; restore the latest backup"):
        Database(str(file))


def test_a_damaged_file_is_not_told_of_with_what_cannot_help(file: Path) -> None:
    file.write_bytes(b"\xa5" * 5000)
    with pytest.raises(ReviewError) as failed:
        Database(str(file))
    assert "verify" not in str(failed.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="its folder does not exist; create it"):
        Database(str(tmp_path / "no" / "review.sqlite"), create=True)


@pytest.mark.parametrize("create", [False, True])
def test_a_folder_in_the_place_of_a_file(tmp_path: Path, create: bool) -> None:
    with pytest.raises(StorageError, match="is a folder, expected a file"):
        Database(str(tmp_path), create=create)


def modes(file: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}


def test_a_new_file_and_those_beside_it_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        database = Database(str(tmp_path / "review.sqlite"), create=True)
        with database.write() as connection:
            put(connection, "x")
            found = modes(tmp_path / "review.sqlite")
        database.close()
    finally:
        os.umask(before)
    names = ("review.sqlite", "review.sqlite-wal", "review.sqlite-shm")
    assert found == dict.fromkeys(names, 0o600)


def test_the_mode_of_a_file_that_is_there_is_left_as_it_is(file: Path) -> None:
    file.chmod(0o640)
    Database(str(file), create=True).close()
    assert modes(file) == {"review.sqlite": 0o640}


def tried(file: Path, before: str) -> str:
    """What a process that is no superuser is told when it writes, after it has done something."""
    attempt = (
        "import os, resource, signal, sys\n"
        "from nsfwcaps.errors import NsfwcapsError\n"
        "from nsfwcaps.review.database import Database, set_meta\n"
        f"{before}\n"
        "try:\n"
        "    database = Database(sys.argv[1])\n"
        "    with database.write() as connection:\n"
        "        set_meta(connection, 'big', 'a broken window' * 100_000)\n"
        "except NsfwcapsError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", attempt, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "window" not in done.stdout
    return done.stdout


def kept(file: Path) -> list[str]:
    with sqlite3.connect(file) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM meta ORDER BY key")]


def test_a_file_that_cannot_grow(file: Path) -> None:
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))"
    said = tried(file, f"signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n{limit}")
    assert said.startswith("StorageError")
    assert "nothing was written" in said
    assert kept(file) == ["version", "x"]


def test_a_full_disk(file: Path) -> None:
    database = Database(str(file))
    with database.read() as connection:  # the pool gives the same one to the write below
        pages = connection.scalar(sa.text("PRAGMA page_count"))
        connection.execute(sa.text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(StorageError, match="the disk is full") as failed, database.write() as disk:
        put(disk, CAPTION * 10_000, key="big")
    assert CAPTION not in str(failed.value)
    database.close()
    assert kept(file) == ["version", "x"]


@pytest.fixture
def others(file: Path) -> Iterator[Path]:
    """A database that everybody can read and only root can write, in a folder of that kind."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    folder = Path("/tmp") / f"read-only-{os.getpid()}"  # pytest's own folders are closed to others
    folder.mkdir()
    copy = folder / "a #1?.sqlite"
    copy.write_bytes(file.read_bytes())
    copy.chmod(0o644)
    yield copy
    shutil.rmtree(folder)


def test_a_folder_that_cannot_be_written(others: Path) -> None:
    said = tried(others, "os.setuid(65534)")
    assert said.startswith("StorageError")
    assert "check the permissions" in said


def read_by_nobody(file: Path) -> str:
    """What a process that is no superuser reads of a file, or is told."""
    reading = (
        "import os, sys\n"
        "from nsfwcaps.errors import NsfwcapsError\n"
        "from nsfwcaps.review.database import Database, get_meta\n"
        "os.setuid(65534)\n"
        "try:\n"
        "    with Database(sys.argv[1], read_only=True).read() as connection:\n"
        "        print(get_meta(connection, 'x'))\n"
        "except NsfwcapsError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", reading, str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_a_file_that_cannot_be_written_can_be_read(others: Path, mode: int) -> None:
    others.parent.chmod(mode)
    assert read_by_nobody(others) == CAPTION
    assert list(others.parent.iterdir()) == [others]


def test_a_file_that_somebody_else_is_writing_can_be_read(others: Path) -> None:
    database = Database(str(others))
    with database.write() as connection:
        put(connection, "new")
    assert read_by_nobody(others) == "new"
    database.close()


def test_a_copy_without_the_file_that_says_who_reads_is_not_read_by_halves(others: Path) -> None:
    database = Database(str(others))
    with database.write() as connection:
        put(connection, "new")
    wal = others.with_name(f"{others.name}-wal")
    content = wal.read_bytes()
    database.close()
    wal.write_bytes(content)
    said = read_by_nobody(others)
    assert said.startswith("StorageError")
    assert f"{wal.name} beside it; copy both" in said


def test_what_is_only_read_can_also_be_a_file_that_can_be_written(file: Path) -> None:
    database = Database(str(file), read_only=True)
    with database.read() as connection:
        assert get_meta(connection, "x") == CAPTION
    database.close()


def test_a_process_that_is_killed_while_it_writes(database: Database, address: str) -> None:
    dying = (
        "import os, signal, sys\n"
        "from nsfwcaps.review.database import Database, set_meta\n"
        "with Database(sys.argv[1]).write() as connection:\n"
        "    set_meta(connection, 'x', 'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", dying, address], check=False)
    with database.write() as connection:
        assert get_meta(connection, "x") is None
        put(connection, "whole")


def test_every_error_is_one_of_ours(file: Path) -> None:
    database = Database(str(file))
    with pytest.raises(NsfwcapsError), database.read() as connection:
        connection.execute(sa.text("SELECT * FROM nothing"))
    database.close()
