"""The chain of hashes: every way to tamper with it shows, but for a whole new chain."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.review.chain.links import Link, faults, genesis

FIRST = genesis("review-1")


def chained(count: int, first: str = FIRST) -> list[Link]:
    made: list[Link] = []
    for seq in range(1, count + 1):
        made.append(
            Link(
                seq=seq,
                at=f"2001-09-09T00:00:{seq:02}",
                account_id="p-ann",
                pair_id=f"pair-{seq}",
                kind="judge",
                body="{}",
                previous=made[-1].hash if made else first,
            ).sealed()
        )
    return made


def found(links: list[Link], head: tuple[int, str]) -> list[str]:
    return list(faults(links, FIRST, head))


def head(links: list[Link]) -> tuple[int, str]:
    return (links[-1].seq, links[-1].hash) if links else (0, FIRST)


def test_a_hash_is_that_of_the_other_fields() -> None:
    link = chained(1)[0]
    fields = [1, link.at, "p-ann", "pair-1", "judge", "{}", FIRST]
    text = json.dumps(fields, separators=(",", ":"))
    assert link.hash == sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_whole_chain_has_no_faults(count: int) -> None:
    links = chained(count)
    assert found(links, head(links)) == []


@pytest.mark.parametrize("field", ["at", "account_id", "pair_id", "kind", "body", "hash"])
def test_a_changed_row(field: str) -> None:
    links = chained(5)
    changed = [*links[:2], replace(links[2], **{field: "other"}), *links[3:]]
    assert found(changed, head(links))[0] == "row 3 was changed"


def test_a_changed_row_with_a_hash_that_fits() -> None:
    links = chained(5)
    changed = [*links[:2], replace(links[2], body='{"x":1}').sealed(), *links[3:]]
    assert found(changed, head(links)) == [
        "row 4 does not follow from row 3: a row was inserted or replaced"
    ]
    last = [*links[:4], replace(links[4], body='{"x":1}').sealed()]
    assert found(last, head(links)) == ["row 5 differs from the last row written"]


def test_missing_rows() -> None:
    links = chained(6)
    assert found([*links[:1], *links[3:]], head(links)) == ["rows 2 to 3 are missing"]
    assert found(links[1:], head(links)) == ["row 1 is missing"]
    assert found(links[:4], head(links)) == ["rows 5 to 6 are missing at the end"]
    assert found([], head(links)) == ["rows 1 to 6 are missing at the end"]


def test_rows_put_in() -> None:
    links = chained(3)
    more = replace(links[-1], seq=4, previous=links[-1].hash).sealed()
    assert found([*links, more], head(links)) == [
        "the log ends at row 4, but the last row written is 3"
    ]
    before = replace(links[0], seq=0, previous="none").sealed()
    assert found([before, *links], head(links)) == [
        "row 1 does not follow from row 0: a row was inserted or replaced"
    ]


def test_the_log_of_another_review_does_not_fit() -> None:
    links = chained(3, genesis("review-2"))
    assert found(links, head(links)) == [
        "row 1 does not follow from row 0: a row was inserted or replaced"
    ]


def test_a_value_that_is_no_text_is_a_change() -> None:
    links = chained(2)
    forced = replace(links[0], body=b"\xff")  # type: ignore[arg-type]
    assert found([forced, links[1]], head(links))[0] == "row 1 was changed"


@given(st.data())
def test_no_change_of_rows_goes_unseen(data: st.DataObject) -> None:
    links = chained(8)
    rows = data.draw(st.lists(st.sampled_from(links), unique=True).filter(lambda r: r != links))
    renumbered = data.draw(st.booleans())
    taken = [replace(link, seq=seq) for seq, link in enumerate(rows, 1)] if renumbered else rows
    kept = sorted(taken, key=lambda link: link.seq)
    if kept != links:
        assert found(kept, head(links)) != []
