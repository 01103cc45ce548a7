"""Heads noted elsewhere: an older copy and a rewritten log are told from one that goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nsfwcaps.review.chain.links import Link, genesis
from nsfwcaps.review.chain.noted import (
    NotedHead,
    excuse,
    head_lacks,
    lacks,
    of_data_set,
    of_export,
    parse,
)

FIRST = genesis("review-1")
OLDER = "the log ends at row 3, before the noted row 5: it is an older copy, or rows were removed"
REWRITTEN = "row 3 differs from the noted one: the log up to it was rewritten"


def chained(count: int, account_id: str = "p-ann", first: str = FIRST) -> list[Link]:
    made: list[Link] = []
    for seq in range(1, count + 1):
        before = made[-1].hash if made else first
        link = Link(seq=seq, at="2001-09-09", account_id=account_id, pair_id=f"pair-{seq}",
                    kind="judge", body="{}", previous=before)  # fmt: skip
        made.append(link.sealed())
    return made


def head(links: list[Link], first: str | None = None) -> NotedHead:
    return NotedHead(rows=links[-1].seq, hash=links[-1].hash, first=first)


def test_a_log_that_goes_on() -> None:
    links = chained(5)
    for count in (1, 3, 5):
        assert lacks(links, FIRST, head(links[:count], FIRST)) is None
    assert lacks(links, FIRST, NotedHead(rows=0, hash=FIRST)) is None
    assert lacks([], FIRST, NotedHead(rows=0, hash=FIRST)) is None


def test_a_log_that_does_not() -> None:
    links, other = chained(5), chained(5, "p-bob")
    assert lacks(links[:3], FIRST, head(links)) == OLDER
    assert lacks(other, FIRST, head(links[:3])) == REWRITTEN
    assert lacks([*links[:2], *links[3:]], FIRST, head(links[:3])) == "the noted row 3 is missing"
    elsewhere = genesis("review-2")
    assert lacks(links, FIRST, head(links, elsewhere)) == "it is the log of another review"


def test_where_only_the_head_is_there() -> None:
    links, other = chained(5), chained(5, "p-bob")
    assert head_lacks(3, links[2].hash, FIRST, head(links)) == OLDER
    assert head_lacks(3, other[2].hash, FIRST, head(links[:3])) == REWRITTEN
    assert head_lacks(3, links[2].hash, FIRST, head(links[:3])) is None
    assert head_lacks(5, links[4].hash, FIRST, head(links[:3])) is None
    assert head_lacks(3, links[2].hash, "other", head(links[:3], FIRST)) is not None


def test_a_row_that_excuses_a_head_excuses_no_other() -> None:
    links, lost = chained(3), head(chained(5, "p-bob"))
    body = excuse(lost)
    row = replace(links[2], seq=4, kind="restore", body=body, previous=links[2].hash).sealed()
    assert lacks([*links, row], FIRST, lost) is None
    assert lacks([*links, row], FIRST, replace(lost, hash="0" * 64)) is not None
    assert lacks([*links, replace(row, kind="judge")], FIRST, lost) is not None
    assert lacks([*links, replace(row, body="[]")], FIRST, lost) is not None


@pytest.mark.parametrize("value", [None, [], {}, {"rows": "x", "hash": "y"}, {"rows": 3}, "text"])
def test_what_notes_no_head(value: Any, tmp_path: Path) -> None:
    assert parse(value) is None
    (tmp_path / "export.json").write_text(json.dumps({"log": value}))
    (tmp_path / "manifest.json").write_text(json.dumps(value))
    assert of_export(tmp_path) is None
    assert of_data_set(tmp_path) is None
    assert of_data_set(tmp_path / "none") is None
