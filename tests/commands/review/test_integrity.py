"""`review verify` and `review restored`: heads noted elsewhere, and backups."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from dataclasses import asdict
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.shell import call
from support.small_review import PAIRS, accept, begin, judge, pair_set, reject

from nsfwcaps.review import tables
from nsfwcaps.review.chain import rows
from nsfwcaps.review.chain.links import Link
from nsfwcaps.review.database import Database
from nsfwcaps.review.pairs import ReviewPairs


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A review, an export of it, and a backup from before the last verdicts."""
    pairs = pair_set(tmp_path / "dataset")
    with contextlib.closing(Database(str(tmp_path / "review.sqlite"), create=True)) as database:
        begin(database, pairs)
        judge(database, PAIRS[0], [("p-ann", accept()), ("p-bob", accept())])
    shutil.copy(tmp_path / "review.sqlite", tmp_path / "backup.sqlite")
    with contextlib.closing(Database(str(tmp_path / "review.sqlite"))) as database:
        judge(database, PAIRS[1], [("p-ann", accept()), ("p-bob", reject())])
    assert call("review", "export", *where(tmp_path), "--out", tmp_path / "out").code == 0
    return tmp_path


def where(place: Path) -> list[object]:
    return ["--db", place / "review.sqlite", "--data", place]


def restore(place: Path) -> None:
    shutil.copy(place / "backup.sqlite", place / "review.sqlite")


def test_a_folder_that_notes_a_head_is_enough(place: Path) -> None:
    said = call("review", "verify", "--db", place / "review.sqlite", "--noted", place / "out")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("7 rows verified. Keep for --noted: 7:")
    said = call("review", "verify", "--db", place / "review.sqlite", "--noted", place)
    assert said.code == 2
    assert "notes no row of a review" in said.err
    some = "0" * 64
    for noted in ("7:abc", f"²:{some}", f"{'9' * 30}:{some}", f"7:{some}0", f"-1:{some}", "7:"):
        said = call("review", "verify", "--db", place / "review.sqlite", "--noted", noted)
        assert (said.code, "expected NUMBER:HASH" in said.err) == (2, True)


def test_a_backup_is_noticed_and_goes_on_once_it_is_said_to_be_one(place: Path) -> None:
    restore(place)
    db = place / "review.sqlite"
    assert call("review", "verify", "--db", db).code == 0
    said = call("review", "verify", "--db", db, "--noted", place / "out")
    assert (said.code, said.out) == (11, "")
    assert "not as noted\n  the log ends at row 5, before the noted row 7: it is" in said.err
    before = (place / "out" / "export.json").read_bytes()
    said = call("review", "export", *where(place), "--out", place / "out")
    assert said.code == 11
    assert "does not continue from the review exported to" in said.err
    assert "nsfwcaps review restored --db DB --noted 7:" in said.err
    assert (place / "out" / "export.json").read_bytes() == before
    assert call("review", "export", *where(place), "--out", place / "other").code == 0

    said = call("review", "restored", "--db", db, "--noted", place / "out")
    assert (said.code, "2 leads; choose one with --lead" in said.err) == (2, True)
    with contextlib.closing(sqlite3.connect(db)) as plain, plain:
        plain.execute("UPDATE account SET name_key = 'lea' WHERE account_id = 'p-lea'")
    said = call("review", "restored", "--db", db, "--noted", place / "out", "--lead", "Lea")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Row 6 says that row 7 as noted was lost.")
    assert call("review", "export", *where(place), "--out", place / "out").code == 0
    values = call("review", "verify", "--db", db, "--json").json
    noted = json.loads(before)["log"]
    lost = {"rows": 7, "hash": noted["hash"]}
    assert values["restored"] == [{"row": 6, "lost": lost}]
    assert (values["faults"], values["covered_from"]) == ([], 1)
    said = call("review", "verify", "--db", db, "--noted", f"7:{noted['hash']}")
    assert said.out.startswith("Row 6: a backup was restored; row 7 as noted before is lost")


def test_a_row_that_is_there_with_another_hash_is_said_to_be(place: Path) -> None:
    db = place / "review.sqlite"
    with contextlib.closing(sqlite3.connect(db)) as plain, plain:
        plain.execute("UPDATE account SET name_key = 'lea' WHERE account_id = 'p-lea'")
    said = call("review", "restored", "--db", db, "--noted", f"6:{'0' * 64}", "--lead", "Lea")
    assert said.code == 0
    assert "row 6 is in this log with another hash" in said.err


def test_the_export_of_another_review_is_not_replaced(place: Path) -> None:
    with contextlib.closing(Database(str(place / "new.sqlite"), create=True)) as database:
        begin(database, ReviewPairs(place / "dataset"))
    new = ["--db", place / "new.sqlite", "--data", place]
    said = call("review", "export", *new, "--out", place / "out")
    assert said.code == 11
    assert "holds the export of another review than" in said.err
    assert "restored" not in said.err


@pytest.mark.parametrize(
    ("change", "command", "message"),
    [
        ("UPDATE meta SET value = '{' WHERE key = 'policy'", ["verify"], "meta.policy is not JSON"),
        ("UPDATE account SET role = ''", ["account", "list"], "role of account p-"),
    ],
)
def test_what_something_else_wrote_is_one_message(
    place: Path, change: str, command: list[str], message: str
) -> None:
    with contextlib.closing(sqlite3.connect(place / "review.sqlite")) as plain, plain:
        plain.execute(change)
    said = call("review", *command, "--db", place / "review.sqlite")
    assert (said.code, said.out) == (11, "")
    assert message in said.err
    assert said.err.endswith("; restore the latest backup\n")


def test_what_is_not_lost_is_not_said_to_be(place: Path) -> None:
    db = place / "review.sqlite"
    with contextlib.closing(sqlite3.connect(db)) as plain, plain:
        plain.execute("UPDATE account SET name_key = 'lea' WHERE account_id = 'p-lea'")
    said = call("review", "restored", "--db", db, "--noted", place / "out", "--lead", "Lea")
    assert said.code == 11
    assert "nothing is lost: the log continues from the noted row 7" in said.err
    assert call("review", "verify", "--db", db, "--json").json["rows"] == 7


def test_a_row_of_a_later_version_is_one_message(place: Path) -> None:
    opened = contextlib.closing(Database(str(place / "review.sqlite")))
    with opened as database, database.write() as connection:
        seq, last = rows.head_of(connection)
        row = Link(seq=seq + 1, at="2001-09-09", account_id="p-lea", pair_id="", kind="praise",
                   body="{}", previous=last).sealed()  # fmt: skip
        connection.execute(sa.insert(tables.verdict).values(**asdict(row)))
        connection.execute(sa.update(tables.head).values(seq=row.seq, hash=row.hash))
    for command in ("verify", "export"):
        more = [] if command == "verify" else ["--data", place, "--out", place / "new"]
        said = call("review", command, "--db", place / "review.sqlite", *more)
        assert said.code == 11
        assert "row 8 of the log is of a kind that this version of nsfwcaps does not" in said.err
