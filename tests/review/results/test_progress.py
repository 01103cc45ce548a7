"""Progress: counts by hand, and nothing of what is private."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.small_review import PAIRS, accept, begin, fix, judge, pair_set, reject, rows

from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log.adjudication import settle
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.log.outcomes import PairState
from nsfwcaps.review.queue.gold import GoldRow, set_gold
from nsfwcaps.review.results.progress import Group, ReviewProgress, progress


@pytest.fixture(autouse=True)
def begun(database: Database, tmp_path: Path) -> None:
    """One pair of each state, and a pending one that nobody has looked at."""
    begin(database, pair_set(tmp_path / "set"))
    judge(database, "pair-1", [("p-ann", accept())])
    judge(database, "pair-2", [("p-ann", fix("a cup")), ("p-bob", fix("a cup"))])
    judge(database, "pair-3", [("p-ann", accept()), ("p-cy", reject())])
    judge(database, "pair-4", [("p-ann", accept()), ("p-bob", reject())])
    with database.write() as connection:
        settle(connection, "p-lea", "pair-4", reject(), 1e9)
        answer = GoldRow(number=1, values={"pair_id": "pair-5", "choice": "accept"})
        set_gold(connection, "p-lea", [answer], 1e9)
        item = tables.item
        control = item.c.pair_id.in_(["pair-1", "pair-2", "pair-3", "pair-4", "pair-6"])
        connection.execute(sa.update(item).values(reason="hub"))
        connection.execute(sa.update(item).where(control).values(reason="control"))


def found(database: Database) -> ReviewProgress:
    with database.read() as connection:
        return progress(connection)


def states(group: Group) -> dict[str, int]:
    return {state.value: count for state, count in group.states.items() if count}


def test_verdicts_by_annotator_and_choice(database: Database) -> None:
    assert {
        one.account_id: (one.verdicts, dict(one.by_choice)) for one in found(database).people
    } == {
        "p-ann": (4, {Choice.ACCEPT: 3, Choice.FIX: 1}),
        "p-bob": (2, {Choice.FIX: 1, Choice.REJECT: 1}),
        "p-cy": (1, {Choice.REJECT: 1}),
    }


def test_pairs_by_state(database: Database) -> None:
    whole = found(database).whole
    assert whole.pairs == 6
    assert states(whole) == {"pending": 2, "agreed": 1, "disputed": 1, "settled": 1, "known": 1}


def test_groups_add_up_to_the_whole(database: Database) -> None:
    now = found(database)
    for groups in (now.by_stage, now.by_category, now.by_reason):
        total = Counter[PairState]()
        for group in groups:
            assert group.pairs == sum(group.states.values())
            total.update(group.states)
        assert total == Counter(now.whole.states)
    pairs = {group.name: group.pairs for group in now.by_category}
    assert pairs == Counter(row["category"] for row in rows())
    assert {group.name: states(group) for group in now.by_stage}["easy"] == {
        "disputed": 1, "pending": 1,
    }  # fmt: skip


def test_the_control_share_says_what_is_decided_and_what_is_open(database: Database) -> None:
    rates = {rate.name: rate for rate in found(database).control}
    whole = rates["all"]
    counts = {choice.value: (one.count, one.of) for choice, one in whole.shares.items()}
    assert counts == {"accept": (0, 2), "fix": (1, 2), "reject": (1, 2)}
    assert (whole.pending, whole.disputed) == (2, 1)
    assert (whole.shares[Choice.FIX].low, whole.shares[Choice.FIX].high) == pytest.approx(
        (0.0945, 0.9055), abs=1e-4
    )
    assert list(rates) == ["all", "easy", "medium", "hard"]
    assert (rates["easy"].pending, rates["easy"].disputed) == (1, 1)
    assert rates["hard"].shares[Choice.FIX].count == 1


def test_pairs_that_are_gone_do_not_count(database: Database) -> None:
    with database.write() as connection:
        item = tables.item
        gone = item.c.pair_id.in_(["pair-3", "pair-6"])
        connection.execute(sa.update(item).where(gone).values(gone=True))
    assert states(found(database).whole) == {"pending": 1, "agreed": 1, "settled": 1, "known": 1}


def test_nothing_private_is_in_it(database: Database) -> None:
    before = found(database)
    with database.write() as connection:
        connection.execute(
            sa.insert(tables.skip).values(account_id="p-bob", pair_id="pair-1", at=1.0)
        )
        connection.execute(
            sa.insert(tables.session).values(
                account_id="p-bob", day="2001-09-09", started=1.0, last_active=2.0, pairs=9
            )
        )
    assert repr(found(database)) == repr(before)  # not by value: shares of nothing are NaN
    assert {field.name for field in dataclasses.fields(before.people[0])} == {
        "account_id", "verdicts", "by_choice",
    }  # fmt: skip


def test_an_empty_review(tmp_path: Path) -> None:
    other = Database(str(tmp_path / "other.sqlite"), create=True)
    begin(other, pair_set(tmp_path / "set"))
    now = found(other)
    assert (now.people, states(now.whole)) == ([], {"pending": len(PAIRS)})
    other.close()
