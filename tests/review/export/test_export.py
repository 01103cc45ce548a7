"""The export: whole or not at all, readable by others, and with nobody's name in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from support.small_review import (
    ANNOTATORS,
    LEADS,
    accept,
    begin,
    fix,
    judge,
    pair_set,
    reject,
    take_back,
)

from nsfwcaps.errors import ReviewError, StorageError
from nsfwcaps.review import tables
from nsfwcaps.review.chain import links as chain
from nsfwcaps.review.chain.links import Link
from nsfwcaps.review.database import Database
from nsfwcaps.review.export import argilla, export
from nsfwcaps.review.export.export import ExportedReview
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.adjudication import settle
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue.exposure import Dose, Event, record
from nsfwcaps.review.queue.gold import GoldRow, set_gold

FILES = {
    "export.json", "verdicts.parquet", "outcomes.parquet", "agreement.json", "label_studio.json",
    "label_studio_config.xml", "argilla/records.json", "argilla/.argilla/settings.json",
    "argilla/.argilla/dataset.json",
}  # fmt: skip


@pytest.fixture
def pairs(database: Database, tmp_path: Path) -> ReviewPairs:
    pairs = pair_set(tmp_path / "set")
    begin(database, pairs)
    both = [("p-ann", accept()), ("p-bob", accept(comment="a broken window", meaning=5))]
    judge(database, "pair-1", both)
    judge(database, "pair-2", [("p-ann", fix("a cup")), ("p-bob", fix("a cup"))])
    judge(database, "pair-3", [("p-ann", accept()), ("p-cy", reject())])
    judge(database, "pair-4", [("p-ann", accept()), ("p-bob", reject())])
    with database.write() as connection:
        take_back(connection, "p-bob", 1e9 + 1)
        settle(connection, "p-lea", "pair-3", fix(unsafe="a cigarette"), 1e9 + 2)
        answer = GoldRow(number=1, values={"pair_id": "pair-5", "choice": "reject"})
        set_gold(connection, "p-lea", [answer], 1e9 + 3)
        record(connection, "p-ann", Dose(at=7.5e8, event=Event.TEXT, pair_id="pair-1"))
    return pairs


@pytest.fixture
def folder(database: Database, pairs: ReviewPairs, tmp_path: Path) -> Path:
    run(database, pairs, tmp_path / "out")
    return tmp_path / "out"


def run(database: Database, pairs: ReviewPairs, folder: Path) -> ExportedReview:
    return export.export(database, pairs, folder, resamples=20)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_the_folder_holds_what_its_record_says(folder: Path, pairs: ReviewPairs) -> None:
    about = read_json(folder / "export.json")
    assert {*about["files"], "export.json"} == set(contents(folder)) == FILES
    assert (about["kind"], about["data"]) == ("nsfwcaps review", pairs.digest)
    assert about["pairs"] == {"agreed": 2, "known": 1, "pending": 2, "settled": 1}
    assert about["policy"]["overlap"] == 2


def test_the_log_in_it_is_whole(folder: Path) -> None:
    about = read_json(folder / "export.json")["log"]
    links = [Link(**row) for row in pq.read_table(folder / "verdicts.parquet").to_pylist()]
    assert len(links) == about["rows"] == 14
    assert list(chain.faults(links, about["first"], (about["rows"], about["hash"]))) == []


def test_pandas_reads_the_tables(folder: Path) -> None:
    import pandas as pd

    log = pd.read_parquet(folder / "verdicts.parquet")
    assert log["seq"].tolist() == list(range(1, 15))
    frame = pd.read_parquet(folder / "outcomes.parquet").set_index("pair_id").sort_index()
    assert frame["outcome"].tolist() == [
        "agreed", "agreed", "settled", "pending", "known", "pending",
    ]  # fmt: skip
    assert frame["choice"].fillna("").tolist() == ["accept", "fix", "fix", "", "reject", ""]
    assert frame.loc["pair-1", "meaning"] == 4.5
    assert frame.loc["pair-2", "safe_caption"] == "a cup"
    assert frame.loc["pair-3", "unsafe_caption"] == "a cigarette"
    assert frame["unsafe_id"].tolist() == [f"unsafe-{number}" for number in range(1, 7)]
    assert [row["seq"] for row in frame.loc["pair-3", "verdicts"]] == [8, 9, 13]
    assert [row["kind"] for row in frame.loc["pair-3", "verdicts"]] == ["judge", "judge", "settle"]
    assert [row["by"] for row in frame.loc["pair-4", "verdicts"]] == ["p-ann"]


def test_agreement_is_that_of_blind_verdicts(folder: Path) -> None:
    found = read_json(folder / "agreement.json")
    assert set(found) == {"seed", "resamples", "questions"}
    choice = found["questions"]["choice"]["coefficients"]["raw_agreement"]
    assert (choice["value"], choice["items"]) == (pytest.approx(2 / 3), 3)


def test_no_name_no_password_no_dose_is_in_it(folder: Path) -> None:
    whole = b"\n".join(contents(folder).values())
    whole += str(pq.read_table(folder / "verdicts.parquet").to_pylist()).encode()
    for name in (*ANNOTATORS, *LEADS):
        assert f"Name of {name}".encode() not in whole
        assert f"hash of {name}".encode() not in whole
    assert b"uncovered" not in whole
    assert b"750000000" not in whole


def test_captions_of_pairs_that_nobody_has_seen_stay_where_they_are(folder: Path) -> None:
    for name in ("label_studio.json", "argilla/records.json"):
        text = (folder / name).read_text("utf-8")
        assert "a handgun on table 1" in text
        assert "a handgun on table 6" not in text


def test_equal_logs_give_equal_bytes(
    database: Database, pairs: ReviewPairs, folder: Path, tmp_path: Path
) -> None:
    found = run(database, pairs, tmp_path / "again")
    assert contents(found.folder) == contents(folder)
    with database.read() as connection:
        assert found.head == verdicts.head_of(connection)


def test_an_earlier_export_is_replaced_and_nothing_else(
    database: Database, pairs: ReviewPairs, folder: Path
) -> None:
    judge(database, "pair-6", [("p-ann", accept())])
    run(database, pairs, folder)
    assert read_json(folder / "export.json")["log"]["rows"] == 15
    (folder / "notes.txt").write_text("mine")
    before = contents(folder)
    with pytest.raises(StorageError, match="contains files that no export has written"):
        run(database, pairs, folder)
    assert contents(folder) == before


def test_a_failure_leaves_what_was_there(
    database: Database, pairs: ReviewPairs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder)

    def failing(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(argilla, "write", failing)
    judge(database, "pair-6", [("p-ann", accept())])
    with pytest.raises(RuntimeError):
        run(database, pairs, folder)
    assert contents(folder) == before
    assert sorted(path.name for path in folder.parent.iterdir() if "part" in path.name) == []


def test_a_log_that_was_changed_is_not_exported(
    database: Database, pairs: ReviewPairs, tmp_path: Path
) -> None:
    with database.write() as connection:
        verdict = tables.verdict
        connection.execute(
            sa.update(verdict).where(verdict.c.seq == 2).values(body=reject().text())
        )
    with pytest.raises(ReviewError, match="log of this review is damaged: row 2 was changed"):
        run(database, pairs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_data_set_that_changed_is_not_exported(
    database: Database, pairs: ReviewPairs, tmp_path: Path
) -> None:
    [file] = (tmp_path / "set" / "data").glob("*.parquet")
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ReviewError, match="the data set has changed"):
        run(database, pairs, tmp_path / "out")


def test_a_review_of_which_nobody_has_judged_a_pair(tmp_path: Path) -> None:
    other = Database(str(tmp_path / "other.sqlite"), create=True)
    pairs = pair_set(tmp_path / "set")
    begin(other, pairs)
    found = run(other, pairs, tmp_path / "out")
    other.close()
    assert (found.head[0], found.judged, found.counts) == (3, 0, {"pending": 6})
    assert read_json(tmp_path / "out" / "label_studio.json") == []
    assert pq.read_table(tmp_path / "out" / "verdicts.parquet")["kind"].to_pylist() == [
        "policy", "account", "queue",
    ]  # fmt: skip
