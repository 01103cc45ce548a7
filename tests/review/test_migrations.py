"""Databases of an earlier version are brought up to date without losing a row."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from dataclasses import astuple
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.small_review import begin, pair_set

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.chain.links import Link, genesis
from nsfwcaps.review.database import Database, get_meta
from nsfwcaps.review.log import verdicts, verifying


def first_version(path: Path) -> Path:
    """Write a database as version 1 left it: fewer tables and columns."""
    with contextlib.closing(Database(str(path), create=True)) as database, database.write() as made:
        made.execute(
            sa.insert(tables.account).values(
                account_id="a1",
                name="Ann",
                name_key="ann",
                password_hash="x",
                role="lead",
                created=1.0,
            )
        )
        made.execute(
            sa.insert(tables.item).values(
                pair_id="p1",
                position=0,
                reason="border",
                category="smoking",
                severity=1,
                stage="easy",
                needed=2,
                settled=7,
            )
        )
    with contextlib.closing(sqlite3.connect(path)) as plain:
        for table in ("preference", "action"):
            plain.execute(f"DROP TABLE {table}")
        for table, column in (
            ("account", "must_change"),
            ("account", "subject"),
            ("item", "asked"),
            ("item", "aside"),
            ("reservation", "broken"),
            ("reservation", "next_pair_id"),
            ("reservation", "next_token"),
        ):
            plain.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        plain.execute("UPDATE meta SET value = '1' WHERE key = 'version'")
        plain.commit()
    return path


def test_an_earlier_database_opens_with_all_its_rows(tmp_path: Path) -> None:
    path = first_version(tmp_path / "review.sqlite")
    for _ in range(2):  # the second time there is nothing to do
        with contextlib.closing(Database(str(path))) as database, database.read() as connection:
            assert get_meta(connection, "version") == 3
            account = connection.execute(sa.select(tables.account)).mappings().one()
            item = connection.execute(sa.select(tables.item)).mappings().one()
            there = sa.inspect(connection)
            assert set(there.get_table_names()) == set(tables.metadata.tables)
            for table in tables.metadata.sorted_tables:
                names = [column["name"] for column in there.get_columns(table.name)]
                assert sorted(names) == sorted(table.columns.keys())
    assert (account["name"], account["must_change"], account["subject"]) == ("Ann", False, None)
    assert (item["settled"], item["asked"], item["aside"]) == (7, 0, None)


def test_a_review_begun_earlier_logs_its_state_once(tmp_path: Path) -> None:
    path = first_version(tmp_path / "review.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as plain:
        for key, value in (("review_id", "r1"), ("policy", {"overlap": 2}), ("data", "d1")):
            plain.execute("INSERT INTO meta VALUES (?, ?)", (key, json.dumps(value)))
        plain.execute("UPDATE item SET settled = NULL")
        first = genesis("r1")
        old = Link(seq=1, at="2001-09-09", account_id="a1", pair_id="p1", kind="gold",
                   body='{"choice": "reject"}', previous=first).sealed()  # fmt: skip
        plain.execute("UPDATE item SET gold = ?", (old.body,))
        plain.execute("INSERT INTO verdict VALUES (?, ?, ?, ?, ?, ?, ?, ?)", astuple(old))
        plain.execute("UPDATE head SET seq = 1, hash = ?", (old.hash,))
        plain.commit()
    for _ in range(2):
        with contextlib.closing(Database(str(path))) as database, database.read() as connection:
            assert verdicts.verify(connection) == []
            assert verifying.covered_from(connection) == 2
            log = [(link.seq, link.kind, link.account_id) for link in verdicts.links(connection)]
    assert log == [(1, "gold", "a1"), (2, "policy", ""), (3, "account", ""), (4, "queue", "")]
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.execute("UPDATE account SET role = 'annotator'")
        plain.commit()
    with contextlib.closing(Database(str(path))) as database, database.read() as connection:
        assert verdicts.verify(connection) == [
            "roles or accounts (a1): does not match the log; the table was changed"
        ]


def test_a_review_of_version_2_logs_its_state_no_second_time(tmp_path: Path) -> None:
    path = tmp_path / "review.sqlite"
    with contextlib.closing(Database(str(path), create=True)) as database:
        begin(database, pair_set(tmp_path / "set"))
        with database.read() as connection:
            before = verdicts.head_of(connection)
    with contextlib.closing(sqlite3.connect(path)) as plain, plain:
        plain.execute("DROP TABLE put_down")
        plain.execute("UPDATE meta SET value = '2' WHERE key = 'version'")
    with contextlib.closing(Database(str(path))) as database, database.read() as connection:
        assert database.migrated
        assert verdicts.head_of(connection) == before
        assert verdicts.verify(connection) == []
        assert connection.execute(sa.select(tables.put_down)).all() == []


def test_a_later_database_is_refused(tmp_path: Path) -> None:
    path = first_version(tmp_path / "review.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.execute("UPDATE meta SET value = '99' WHERE key = 'version'")
        plain.commit()
    with pytest.raises(ReviewError, match="another version of nsfwcaps"):
        Database(str(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_what_cannot_be_written_is_not_brought_up_to_date(tmp_path: Path) -> None:
    path = first_version(tmp_path / "review.sqlite")
    path.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ReviewError, match="open it once where it can be written"):
            Database(str(path), read_only=True)
    finally:
        tmp_path.chmod(0o700)
