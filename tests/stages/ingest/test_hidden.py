"""ingest: characters that hide text or spoof its display are removed, and counted by pool."""

from __future__ import annotations

import json

import pytest
from support.ingest_place import Place, rejects, table

from nsfwcaps.pipeline import headline

SPOOFED = "a vase \u202eno gnud\u202c on a table"
TAGGED = "a cup\U000e0067\U000e0075\U000e006e on a table"
PLAIN = ["a family \U0001f468\u200d\U0001f469\u200d\U0001f467", "a hand\u200bbag", "a caf\u00e9"]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_they_are_counted_by_pool(place: Place, form: str) -> None:
    captions = [SPOOFED, TAGGED, *PLAIN]
    if form == "jsonl":
        safe = place.pool("safe.jsonl", captions)
    else:
        safe = place.write("safe.csv", "caption\n" + "\n".join(captions) + "\n")
    unsafe = place.pool("unsafe.jsonl", ["a hand\u00adgun", "a knife\x1con a table"])
    record = place.ingest(safe=(safe,), unsafe=(unsafe,))
    assert [pool["hidden_characters"] for pool in record.facts["pools"]] == [2, 0]
    assert set(table(record, "safe")["caption"].to_pylist()) == {
        "a vase no gnud on a table",
        "a cup on a table",
        PLAIN[0],
        "a handbag",
        PLAIN[2],
    }
    assert set(table(record, "unsafe")["caption"].to_pylist()) == {
        "a handgun",
        "a knife on a table",
    }
    assert headline(record).endswith("; hidden characters removed from 2")


def test_a_caption_of_nothing_else_is_empty(place: Place) -> None:
    safe = place.pool("safe.jsonl", ["a vase", "\U000e0067\u2066\u2069"])
    record = place.ingest(safe=(safe,), unsafe=(place.pool("u.jsonl", ["a handgun"]),))
    assert [(row[1], row[2]) for row in rejects(record)] == [(1, "empty")]
    assert "hidden" not in headline(record)


def test_copies_that_differ_in_hidden_characters_are_one_caption(place: Place) -> None:
    safe = place.pool("safe.jsonl", ["a vase", "a va\u202dse", "a\u2064 vase"])
    record = place.ingest(safe=(safe,), unsafe=(place.pool("u.jsonl", ["a handgun"]),))
    assert table(record, "safe")["caption"].to_pylist() == ["a vase"]
    assert record.facts["copies_folded"] == 2
    assert record.facts["pools"][0]["hidden_characters"] == 2


def test_half_a_character_is_set_aside(place: Place) -> None:
    rows = [json.dumps({"caption": item}) for item in ("a vase", "a vase \ud83d")]
    safe = place.write("safe.jsonl", "\n".join(rows))
    record = place.ingest(safe=(safe,), unsafe=(place.pool("u.jsonl", ["a handgun"]),))
    assert [(row[1], row[2]) for row in rejects(record)] == [(1, "invalid_utf8")]


@pytest.mark.parametrize(
    "name", ["a[1].jsonl", "my pool (v2) #1.jsonl", "a b#c?d%20e.jsonl", "\u00fc\u00f1\u00ed.jsonl"]
)
def test_odd_names_of_pools_are_read(place: Place, name: str) -> None:
    safe = place.pool(name, ["a vase"])
    record = place.ingest(safe=(safe,), unsafe=(place.pool("u.jsonl", ["a handgun"]),))
    assert record.facts["captions"] == {"safe": 1, "unsafe": 1}
