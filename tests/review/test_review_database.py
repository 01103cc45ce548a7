"""The database when things go wrong: what is said, and that nothing is half written."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from postgres_server import Server
from small_review import begin, pair_set

from nsfwcaps.errors import ConfigError, NsfwcapsError, ReviewError, StorageError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database, get_meta, set_meta

SECRET = "a-pass-word-of-mine"


def made(folder: Path) -> Path:
    file = folder / "review.sqlite"
    Database(str(file), create=True).close()
    return file


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another program writes."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Run as somebody whom permissions bind."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_value_comes_back(database: Database) -> None:
    with database.write() as connection:
        set_meta(connection, "policy", {"a": 1})
        set_meta(connection, "policy", {"a": [2]})
    with database.read() as connection:
        assert get_meta(connection, "policy") == {"a": [2]}
        assert get_meta(connection, "nothing") is None


def test_an_exception_undoes_the_write(database: Database) -> None:
    def fails() -> None:
        with database.write() as connection:
            set_meta(connection, "policy", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    with database.read() as connection:
        assert get_meta(connection, "policy") is None


def test_a_read_sees_one_state(database: Database) -> None:
    with database.read() as reading:
        assert get_meta(reading, "policy") is None
        with database.write() as writing:
            set_meta(writing, "policy", 1)
        assert get_meta(reading, "policy") is None
    with database.read() as reading:
        assert get_meta(reading, "policy") == 1


def test_writes_come_one_after_another(database: Database, tmp_path: Path) -> None:
    begin(database, pair_set(tmp_path / "set"))

    def count() -> None:
        for _ in range(20):
            with database.write() as connection:
                set_meta(connection, "count", (get_meta(connection, "count") or 0) + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert get_meta(connection, "count") == 80


def test_a_writer_that_does_not_end_is_not_waited_for_for_ever(address: str) -> None:
    first = Database(address, create=True)
    second = Database(address, busy_s=0.2)
    with first.write() as connection:
        set_meta(connection, "policy", 1)
        with pytest.raises(StorageError, match="nothing was written"), second.write():
            pass
    with second.write() as connection:
        assert get_meta(connection, "policy") == 1
    first.close()
    second.close()


def test_a_file_that_another_program_locks(tmp_path: Path) -> None:
    database = Database(str(made(tmp_path)), busy_s=0.1)
    with (
        locked(tmp_path / "review.sqlite"),
        pytest.raises(StorageError, match="another program holds it"),
        database.write(),
    ):
        pass
    with database.write() as connection:
        set_meta(connection, "policy", 1)
    database.close()


def test_a_full_disk_takes_nothing_half(tmp_path: Path) -> None:
    database = Database(str(made(tmp_path)))

    def fill() -> None:
        with database.write() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            set_meta(connection, "first", 1)
            set_meta(connection, "policy", "x" * 1_000_000)

    with pytest.raises(StorageError, match="the disk is full; nothing was written"):
        fill()
    with database.read() as connection:
        assert get_meta(connection, "first") is None
    database.close()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o755)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    folder.chmod(0o555)
    with nobody(), pytest.raises(StorageError, match="look at its permissions"):
        Database(str(folder / "review.sqlite"), create=True)
    with pytest.raises(StorageError, match="cannot be opened"):
        Database(str(tmp_path / "nowhere" / "review.sqlite"), create=True)


def test_a_damaged_file(tmp_path: Path) -> None:
    file = made(tmp_path)
    data = bytearray(file.read_bytes())
    data[100:4096] = b"\xff" * 3996
    file.write_bytes(data)
    with pytest.raises(ReviewError, match="damaged; put its last copy back"):
        Database(str(file))


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("a broken window\n" * 500)
    with pytest.raises(ReviewError, match="no database, or a damaged one") as caught:
        Database(str(file), create=True)
    assert "window" not in str(caught.value)
    assert file.read_text() == "a broken window\n" * 500


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(ReviewError, match="no review is there; 'nsfwcaps review --data RUN'"):
        Database(str(tmp_path / "review.sqlite"))
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(ReviewError, match="holds no review"):
        Database(str(tmp_path / "empty.sqlite"))


def test_tables_of_another_version(address: str) -> None:
    database = Database(address, create=True)
    with database.write() as connection:
        set_meta(connection, "version", tables.VERSION + 1)
    database.close()
    with pytest.raises(ReviewError, match="another version of nsfwcaps"):
        Database(address)


def test_tables_of_another_program_are_left_alone(address: str) -> None:
    url = address.replace("postgresql:", "postgresql+psycopg:")
    engine = sa.create_engine(url if "://" in url else f"sqlite:///{url}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE account (id INTEGER)"))
    with pytest.raises(ReviewError, match=r"another program's tables are in it \(account\)"):
        Database(address, create=True)
    assert sa.inspect(engine).get_table_names() == ["account"]
    engine.dispose()


@pytest.mark.parametrize("name", ["mysql://host/name", "sqlite://", "no such thing://"])
def test_an_address_of_no_database_of_ours(name: str) -> None:
    with pytest.raises(ConfigError, match="--db"):
        Database(name, create=True)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    address = f"postgresql://ann:{SECRET}@/reviews?host={tmp_path}"
    with pytest.raises(StorageError, match="cannot be reached") as caught:
        Database(address, create=True)
    assert SECRET not in str(caught.value)


def test_a_wrong_password_is_in_no_message(server: Server) -> None:
    rules = server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text("local all locked scram-sha-256\n" + before)
    server.reload()
    try:
        address = server.address().replace("tests@", f"locked:{SECRET}@")
        with pytest.raises(StorageError, match="refused") as caught:
            Database(address, create=True)
    finally:
        rules.write_text(before)
        server.reload()
    assert SECRET not in str(caught.value)


def test_a_server_that_restarts_is_found_again(database: Database, server: Server) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has no server")
    with database.write() as connection:
        set_meta(connection, "policy", 1)
    server.stop("immediate")
    with pytest.raises(StorageError, match="cannot be reached"), database.read():
        pass
    server.start()
    with database.read() as connection:
        assert get_meta(connection, "policy") == 1


def test_the_address_without_its_password_is_its_name(server: Server) -> None:
    address = server.address().replace("tests@", f"tests:{SECRET}@")
    with pytest.raises(ReviewError, match="holds no review") as caught:
        Database(address)
    assert SECRET not in str(caught.value)
    assert "tests:***@" in str(caught.value)


def test_values_are_in_no_message(database: Database, tmp_path: Path) -> None:
    begin(database, pair_set(tmp_path / "set"))

    def twice() -> None:
        with database.write() as connection:
            for _ in range(2):
                connection.execute(sa.insert(tables.meta).values(key=SECRET, value=SECRET))

    def nothing_there() -> None:
        with database.write() as connection:
            connection.execute(sa.text(f"SELECT '{SECRET}' FROM nowhere"))

    for fault in (twice, nothing_there):
        with pytest.raises(NsfwcapsError) as caught:
            fault()
        assert SECRET not in str(caught.value)
        assert caught.value.__suppress_context__
