"""What a review decided, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from support.shell import call
from support.small_review import PAIRS, accept, begin, judge, pair_set, reject
from support.small_review import rows as rows_of_pairs

from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.adjudication import settle
from nsfwcaps.review.queue import gold


@pytest.fixture
def reviewed(tmp_path: Path) -> Path:
    """A data set and a review of it in one folder: two pairs are judged by both."""
    pairs = pair_set(tmp_path / "dataset")
    database = Database(str(tmp_path / "review.sqlite"), create=True)
    begin(database, pairs)
    judge(database, PAIRS[0], [("p-ann", accept()), ("p-bob", accept())])
    judge(database, PAIRS[1], [("p-ann", accept()), ("p-bob", reject())])
    database.close()
    return tmp_path


def db(folder: Path) -> Path:
    return folder / "review.sqlite"


def know(folder: Path) -> None:
    """Put a known answer into the queue."""
    database = Database(str(db(folder)))
    row = gold.GoldRow(number=1, values={"pair_id": PAIRS[4], "choice": "reject"})
    with database.write() as connection:
        gold.set_gold(connection, "p-lea", [row], 1e9)
    database.close()


def test_status_counts_pairs_and_verdicts(reviewed: Path) -> None:
    found = call("review", "status", "--db", db(reviewed), "--json").json
    assert found["whole"]["pairs"] == 6
    states = {state: count for state, count in found["whole"]["states"].items() if count}
    assert states == {"agreed": 1, "disputed": 1, "pending": 4}
    said = call("review", "status", "--db", db(reviewed))
    assert (said.code, said.err) == (0, "")
    assert "p-bob: 2 verdicts, 1 accept, 1 reject" in said.out
    assert said.out.endswith("agreement on the choice: raw 0.50, alpha 0.00, AC1 0.38 (2 pairs)\n")
    raw = found["agreement"]["choice"]["coefficients"]["raw_agreement"]
    assert (raw["value"], raw["items"], raw["raters"]) == (0.5, 2, 2)
    assert list(found["agreement"]) == [
        "safe_is_safe", "unsafe_is_unsafe", "category", "meaning", "choice",
    ]  # fmt: skip


def test_status_of_a_review_that_nobody_began(tmp_path: Path) -> None:
    database = Database(str(db(tmp_path)), create=True)
    begin(database, pair_set(tmp_path / "dataset"))
    database.close()
    said = call("review", "status", "--db", db(tmp_path))
    assert said.out.endswith("agreement: no pair has two verdicts yet\n")
    found = call("review", "status", "--db", db(tmp_path), "--json").json
    alpha = found["agreement"]["choice"]["coefficients"]["krippendorff_alpha"]
    assert (alpha["value"], alpha["low"]) == (None, None)


def test_pairs_are_opened_again(reviewed: Path) -> None:
    database = Database(str(db(reviewed)))
    with database.write() as connection:
        settle(connection, "p-lea", PAIRS[1], accept(), 1e9)
    said = call("review", "reopen", PAIRS[1], PAIRS[0], "--db", db(reviewed), "--lead", "p-leo")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "pair-2: a dispute again; before: row 8 (settle)",
        "pair-1: a dispute again; before: no decision of a lead",
        "Settle it on the page Disputes, then publish again.",
    ]
    with database.read() as connection:
        last = [(link.kind, link.account_id, link.pair_id) for link in verdicts.links(connection)]
    database.close()
    assert last[-2:] == [("reopen", "p-leo", "pair-2"), ("reopen", "p-leo", "pair-1")]
    assert call("review", "verify", "--db", db(reviewed)).code == 0


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ("pair-2", "pair pair-2 is a dispute already; settle it on the page Disputes"),
        ("pair-3", "nobody has judged pair pair-3, so there is no verdict to doubt"),
        ("pair-9", "pair pair-9 is not in this review"),
    ],
)
def test_of_pairs_one_of_which_cannot_be_opened_none_is(
    reviewed: Path, pair: str, told: str
) -> None:
    said = call("review", "reopen", PAIRS[0], pair, "--db", db(reviewed), "--lead", "p-lea")
    assert said.code != 0
    assert told in said.err
    database = Database(str(db(reviewed)))
    with database.read() as connection:
        assert verdicts.head_of(connection)[0] == 7
    database.close()


def test_an_export_is_read_back_by_others(reviewed: Path) -> None:
    out = reviewed / "out"
    made = call(
        "review", "export", "--db", db(reviewed), "--data", reviewed, "--out", out, "--json"
    )
    assert made.json["rows"] == 7
    table = pd.read_parquet(out / "outcomes.parquet").set_index("pair_id")
    assert table.loc[PAIRS[0], "choice"] == "accept"
    noted = f"{made.json['rows']}:{made.json['hash']}"
    checked = call("review", "verify", "--db", db(reviewed), "--noted", noted, "--json")
    assert (checked.code, checked.json["faults"]) == (0, [])


def test_an_export_says_how_far_all_pairs_are_and_that_known_answers_are_no_verdicts(
    reviewed: Path,
) -> None:
    know(reviewed)
    out = reviewed / "out"
    said = call("review", "export", "--db", db(reviewed), "--data", reviewed, "--out", out)
    assert (said.code, said.err) == (0, "")
    counts = "pairs: 1 agreed, 1 disputed, 1 known, 3 pending; with captions for other tools: 3"
    assert said.out.splitlines()[0] == counts


def test_the_export_of_another_data_set_is_told_as_that(reviewed: Path) -> None:
    other = reviewed / "other"
    (other / "data").mkdir(parents=True)
    rows = [{**row, "pair_id": f"other-{row['pair_id']}"} for row in rows_of_pairs()]
    pq.write_table(pa.Table.from_pylist(rows), other / "data" / "train-00000-of-00001.parquet")
    out = reviewed / "out"
    said = call("review", "export", "--db", db(reviewed), "--data", other, "--out", out)
    assert (said.code, said.out) == (11, "")
    assert f"none of the 6 pairs of {other}; pass its own data set with --data" in said.err
    assert not out.exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_an_export_where_no_folder_can_be_made_is_refused(reviewed: Path) -> None:
    said = call("review", "export", "--db", db(reviewed), "--data", reviewed, "--out", "/proc/x")
    assert (said.code, said.out) == (7, "")
    assert "/proc/x: cannot create this folder; choose another --out" in said.err


@pytest.mark.parametrize("command", ["status", "verify", "export"])
def test_what_only_reads_needs_no_database_that_can_be_written(
    command: str, reviewed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    class Noting(Database):
        def __init__(self, name: str, **options: Any) -> None:
            asked.append(options["read_only"])
            super().__init__(name, **options)

    monkeypatch.setattr("nsfwcaps.review.database.Database", Noting)
    more = ["--data", reviewed, "--out", reviewed / "out"] if command == "export" else []
    assert call("review", command, "--db", db(reviewed), *more).code == 0
    assert asked == [True]


def test_a_changed_row_is_found_and_nothing_is_exported(reviewed: Path) -> None:
    database = Database(str(db(reviewed)))
    with database.write() as connection:
        verdict = tables.verdict
        body = accept(meaning=5).text()
        connection.execute(sa.update(verdict).where(verdict.c.seq == 2).values(body=body))
    database.close()
    said = call("review", "verify", "--db", db(reviewed))
    assert (said.code, said.out) == (11, "")
    assert "row 2 was changed" in said.err
    out = reviewed / "out"
    said = call("review", "export", "--db", db(reviewed), "--data", reviewed, "--out", out)
    assert said.code == 11
    assert not out.exists()


def test_known_answers_are_kept_by_the_lead_who_is_named(reviewed: Path) -> None:
    file = reviewed / "known.jsonl"
    file.write_text(json.dumps({"pair_id": PAIRS[4], "choice": "reject"}) + "\n")
    said = call("review", "gold", file, "--db", db(reviewed))
    assert said.code == 2
    assert "2 leads; choose one with --lead" in said.err
    said = call("review", "gold", file, "--db", db(reviewed), "--lead", "Name of p-lea")
    assert said.code == 3  # in this review, names are kept under other keys
    database = Database(str(db(reviewed)))
    with database.write() as connection:
        account = tables.account
        connection.execute(
            sa.update(account).where(account.c.account_id == "p-leo").values(disabled=True)
        )
    database.close()
    said = call("review", "gold", file, "--db", db(reviewed))
    assert (said.code, said.out) == (0, "1 known answers, 1 new or changed\n")
    found = call("review", "status", "--db", db(reviewed), "--json").json
    assert found["whole"]["states"]["known"] == 1


@pytest.mark.parametrize("command", ["status", "verify"])
def test_a_review_that_is_not_there_is_said_to_be(command: str, tmp_path: Path) -> None:
    said = call("review", command, "--db", tmp_path / "none.sqlite")
    assert (said.code, said.out) == (11, "")
    assert "no review found" in said.err
    assert not (tmp_path / "none.sqlite").exists()


@pytest.mark.parametrize("noted", ["4", "x:" + "0" * 64, "4:abc"])
def test_a_note_that_is_none_is_refused(noted: str, reviewed: Path) -> None:
    said = call("review", "verify", "--db", db(reviewed), "--noted", noted)
    assert said.code == 2
    assert "NUMBER:HASH" in said.err
