"""Known answers: read from any format, kept whole or not at all, and held against verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from support.small_review import accept, begin, judge, pair_set, reject

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.adjudication import settle
from nsfwcaps.review.queue.gold import GoldRow, accuracy, read_gold, set_gold

ROWS: list[dict[str, Any]] = [
    {"pair_id": "pair-1", "choice": "accept", "category": "right", "meaning": 4},
    {"pair_id": "pair-2", "choice": "reject", "safe_is_safe": "no"},
]


@pytest.fixture(autouse=True)
def begun(database: Database, tmp_path: Path) -> None:
    begin(database, pair_set(tmp_path / "set"))


def write(path: Path) -> str:
    names = ["pair_id", "choice", "category", "meaning", "safe_is_safe", "who"]
    table = [{name: row.get(name) for name in names} for row in ROWS]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(table), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        lines = [names, *([str(v) if v is not None else "" for v in r.values()] for r in table)]
        path.write_text("\n".join(",".join(line) for line in lines) + "\n")
    return str(path)


def gold(*values: dict[str, Any]) -> list[GoldRow]:
    return [GoldRow(number=number, values=row) for number, row in enumerate(values, start=1)]


def kept(database: Database) -> dict[str, Any]:
    with database.read() as connection:
        assert verdicts.verify(connection) == []
        query = sa.select(tables.item.c.pair_id, tables.item.c.gold)
        found = connection.execute(query.where(tables.item.c.gold.is_not(None)))
        return {row.pair_id: json.loads(row.gold) for row in found}


@pytest.mark.parametrize("name", ["gold.jsonl", "gold.csv", "gold.parquet"])
def test_every_format_says_the_same(database: Database, tmp_path: Path, name: str) -> None:
    rows = read_gold(write(tmp_path / name))
    with database.write() as connection:
        assert set_gold(connection, "p-lea", rows, 1e9) == 2
    assert kept(database) == {
        "pair-1": {
            "choice": "accept",
            "category": "right",
            "of_category": "weapons",
            "meaning": 4,
        },
        "pair-2": {"choice": "reject", "safe_is_safe": "no"},
    }


def test_the_same_again_writes_nothing_and_a_change_one_row(database: Database) -> None:
    for rows, changed in ((ROWS, 2), (ROWS, 0), ([{**ROWS[0], "meaning": "5"}], 1)):
        with database.write() as connection:
            assert set_gold(connection, "p-lea", gold(*rows), 1e9) == changed
    with database.read() as connection:
        assert [link.kind for link in verdicts.links(connection) if link.pair_id] == ["gold"] * 3
    assert kept(database)["pair-1"]["meaning"] == 5


def test_all_that_is_wrong_is_named_at_once_and_nothing_is_kept(database: Database) -> None:
    with database.write() as connection:
        settle(connection, "p-lea", "pair-5", accept(), 1e9)
        item = tables.item
        connection.execute(sa.update(item).where(item.c.pair_id == "pair-6").values(gone=True))
    secret = "a handgun on a table"
    rows = gold(
        {"pair_id": "pair-1", "choice": "accept"},
        {"pair_id": "pair-9", "choice": "accept"},
        {"pair_id": "pair-1", "choice": "accept"},
        {"pair_id": "pair-2", "choice": secret},
        {"pair_id": "pair-3", "choice": "fix"},
        {"pair_id": "pair-4"},
        {"pair_id": "pair-4", "choice": "accept", "meaning": secret},
        {"pair_id": "pair-5", "choice": "accept"},
        {"pair_id": "pair-6", "choice": "accept", "category": secret},
        {"pair_id": secret, "choice": "accept", "safe_is_safe": secret},
        {"choice": "accept", "meaning": 6},
        {"pair_id": "pair-3", "choice": "accept", "safe_is_safe": "no"},
    )
    with database.write() as connection, pytest.raises(InputError) as error:
        set_gold(connection, "p-lea", rows, 1e9)
    assert str(error.value).splitlines() == [
        "known answers: 16 problems; nothing was stored",
        "row 2, pair pair-9: is not in this review",
        "row 3, pair pair-1: is listed twice",
        "row 4, pair pair-2: choice must be accept, fix, reject",
        "row 5, pair pair-3: a known answer must be accept or reject, as fixes are not unique",
        "row 6, pair pair-4: has no choice; expected accept or reject",
        "row 7, pair pair-4: is listed twice",
        "row 7, pair pair-4: meaning must be 1 to 5",
        "row 8, pair pair-5: was settled by a lead and is no longer shown to annotators",
        "row 9, pair pair-6: is no longer in the data set",
        "row 9, pair pair-6: unknown category; expected right or one of smoking, weapons",
        "row 10, pair (no id): is not in this review",
        "row 10, pair (no id): safe_is_safe must be yes, no, unsure",
        "row 11, pair (no id): is not in this review",
        "row 11, pair (no id): meaning must be 1 to 5",
        "row 12, pair pair-3: is listed twice",
        "row 12, pair pair-3: is accepted although a side fails; reject it",
    ]
    with database.read() as connection:
        assert connection.scalars(sa.select(tables.item.c.gold)).all() == [None] * 6


def test_a_long_list_of_problems_is_cut(database: Database) -> None:
    rows = gold(*({"pair_id": f"other-{number}", "choice": "accept"} for number in range(50)))
    with database.write() as connection, pytest.raises(InputError) as error:
        set_gold(connection, "p-lea", rows, 1e9)
    lines = str(error.value).splitlines()
    assert (len(lines), lines[-1]) == (22, "… and 30 more")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pair_id,verdict\npair-1,accept\n", "missing column choice; known answers need"),
        ("pair_id,choice\npair-1,accept,3\n", "row 1 cannot be read"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "gold.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_gold(str(tmp_path / "gold.csv"))


def test_only_leads_write_them(database: Database) -> None:
    with database.write() as connection, pytest.raises(ReviewError, match="only a lead may"):
        set_gold(connection, "p-ann", gold(*ROWS), 1e9)


def test_accuracy_counts_questions_that_were_asked_and_are_known(database: Database) -> None:
    with database.write() as connection:
        set_gold(connection, "p-lea", gold(*ROWS), 1e9)
    judge(database, "pair-1", [("p-ann", accept(meaning=4)), ("p-bob", accept(meaning=3))])
    judge(database, "pair-2", [("p-ann", accept()), ("p-bob", reject())])
    judge(database, "pair-3", [("p-ann", accept())])
    with database.read() as connection:
        found = accuracy(connection)
    assert [(one.account_id, one.question, one.right.count, one.right.of) for one in found] == [
        ("p-ann", "choice", 1, 2),
        ("p-ann", "safe_is_safe", 0, 1),
        ("p-ann", "category", 1, 1),
        ("p-ann", "meaning", 1, 1),
        ("p-bob", "choice", 2, 2),
        ("p-bob", "safe_is_safe", 1, 1),
        ("p-bob", "category", 1, 1),
        ("p-bob", "meaning", 0, 1),
    ]
    half = found[0].right
    assert (half.value, round(half.low, 4), round(half.high, 4)) == (0.5, 0.0945, 0.9055)


def test_right_and_the_category_by_its_name_are_one(database: Database) -> None:
    with database.write() as connection:
        row = {"pair_id": "pair-1", "choice": "accept", "category": "right"}
        set_gold(connection, "p-lea", gold(row), 1e9)
    said = [("p-ann", accept(category="weapons")), ("p-bob", accept(category="smoking"))]
    judge(database, "pair-1", said)
    with database.read() as connection:
        found = {
            o.account_id: o.right.count for o in accuracy(connection) if o.question == "category"
        }
    assert found == {"p-ann": 1, "p-bob": 0}
