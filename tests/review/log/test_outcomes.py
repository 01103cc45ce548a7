"""What becomes of a pair: every way that verdicts, leads and known answers can meet."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from support.small_review import PAIRS, accept, begin, fix, judge, pair_set, reject, take_back

from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import adjudication
from nsfwcaps.review.log.answers import Answers, Choice
from nsfwcaps.review.log.outcomes import Outcome, PairState, VerdictRow, outcomes
from nsfwcaps.review.queue import gold
from nsfwcaps.review.queue.gold import GoldRow


@pytest.fixture(autouse=True)
def begun(database: Database, tmp_path: Path) -> None:
    begin(database, pair_set(tmp_path / "set"))


def outcome(database: Database, pair_id: str = "pair-1") -> Outcome:
    with database.read() as connection:
        return next(found for found in outcomes(connection) if found.pair_id == pair_id)


def test_every_pair_of_the_queue_has_one_in_its_order(database: Database) -> None:
    with database.read() as connection:
        found = outcomes(connection)
        query = sa.select(tables.item.c.pair_id).order_by(tables.item.c.position)
        assert [one.pair_id for one in found] == list(connection.scalars(query))
    assert {one.state for one in found} == {PairState.PENDING}
    assert sorted(one.pair_id for one in found) == PAIRS


def test_one_verdict_of_two_is_not_enough(database: Database) -> None:
    [seq] = judge(database, "pair-1", [("p-ann", accept())])
    found = outcome(database)
    assert (found.state, found.choice, found.category, found.meaning) == (
        PairState.PENDING, None, None, None,
    )  # fmt: skip
    at = "2001-09-09"  # to the day
    assert found.rows == (VerdictRow(seq=seq, by="p-ann", at=at, kind="judge", choice="accept"),)


@pytest.mark.parametrize(
    ("one", "other", "state", "choice"),
    [
        (accept(), accept(), PairState.AGREED, Choice.ACCEPT),
        (accept(), accept(meaning=2, comment="a broken window"), PairState.AGREED, Choice.ACCEPT),
        (reject(), Answers(choice=Choice.REJECT), PairState.AGREED, Choice.REJECT),
        (fix("a cup"), fix("a  cup "), PairState.AGREED, Choice.FIX),
        (fix("a cup"), fix("a mug"), PairState.DISPUTED, None),
        (fix("a cup"), fix("a cup", "a cigarette"), PairState.DISPUTED, None),
        (accept(), reject(), PairState.DISPUTED, None),
        (accept(), fix("a cup"), PairState.DISPUTED, None),
    ],
)
def test_two_agree_by_the_choice_and_the_captions(
    database: Database, one: Answers, other: Answers, state: PairState, choice: Choice | None
) -> None:
    judge(database, "pair-1", [("p-ann", one), ("p-bob", other)])
    found = outcome(database)
    assert (found.state, found.choice) == (state, choice)
    fixes = state is PairState.AGREED and choice is Choice.FIX
    assert found.safe_caption == ("a cup" if fixes else None)
    assert found.unsafe_caption is None


def test_answers_beside_the_choice_are_put_together(database: Database) -> None:
    said = [("p-ann", accept(meaning=5)), ("p-bob", accept(meaning=2))]
    judge(database, "pair-1", said)
    assert (outcome(database).category, outcome(database).meaning) == ("right", 3.5)
    said = [(name, accept(category="smoking")) for name in ("p-ann", "p-bob")]
    judge(database, "pair-2", said)
    assert (outcome(database, "pair-2").category, outcome(database, "pair-2").meaning) == (
        "smoking", 4.0,
    )  # fmt: skip


def test_two_categories_are_a_dispute_where_the_pair_is_kept(database: Database) -> None:
    judge(database, "pair-1", [("p-ann", accept()), ("p-bob", accept(category="smoking"))])
    assert outcome(database).state is PairState.DISPUTED
    judge(database, "pair-2", [("p-ann", fix("a cup", category="fire")), ("p-bob", fix("a cup"))])
    assert outcome(database, "pair-2").state is PairState.DISPUTED
    said = {"choice": Choice.REJECT}
    judge(
        database, "pair-3", [("p-ann", accept(category="fire", **said)), ("p-bob", accept(**said))]
    )
    assert outcome(database, "pair-3").state is PairState.AGREED


def test_the_name_of_the_category_means_right(database: Database) -> None:
    judge(database, "pair-1", [("p-ann", accept(category="weapons")), ("p-bob", accept())])
    assert outcome(database).state is PairState.AGREED


def test_a_verdict_that_asks_the_lead_is_a_dispute_at_once(database: Database) -> None:
    judge(database, "pair-1", [("p-ann", accept(ask_lead=True))])
    assert outcome(database).state is PairState.DISPUTED
    with database.read() as connection:
        asked = sa.select(tables.item.c.asked).where(tables.item.c.pair_id == "pair-1")
        assert connection.scalar(asked) == 1
    with database.write() as connection:
        take_back(connection, "p-ann", 1e9 + 1)
        assert connection.scalar(asked) == 0
    assert outcome(database).state is PairState.PENDING


def test_a_third_verdict_counts_too(database: Database) -> None:
    judge(database, "pair-1", [("p-ann", accept()), ("p-bob", accept())])
    judge(database, "pair-1", [("p-cy", reject())])
    assert outcome(database).state is PairState.DISPUTED


def test_what_was_undone_does_not_count(database: Database) -> None:
    judge(database, "pair-1", [("p-ann", accept()), ("p-bob", reject())])
    with database.write() as connection:
        take_back(connection, "p-bob", 1e9 + 1)
    assert outcome(database).state is PairState.PENDING
    judge(database, "pair-1", [("p-bob", accept())])
    found = outcome(database)
    assert found.state is PairState.AGREED
    assert [row.seq for row in found.rows] == [4, 7]


def test_a_lead_settles_and_settles_anew(database: Database) -> None:
    judge(database, "pair-1", [("p-ann", accept(meaning=1)), ("p-bob", reject())])
    for answers in (reject(), fix("a cup", category="smoking", meaning=5)):
        with database.write() as connection:
            adjudication.settle(connection, "p-lea", "pair-1", answers, 1e9 + 2)
    found = outcome(database)
    assert (found.state, found.choice, found.safe_caption) == (
        PairState.SETTLED, Choice.FIX, "a cup",
    )  # fmt: skip
    assert (found.category, found.meaning) == ("smoking", 5.0)
    assert [(row.seq, row.by, row.kind) for row in found.rows] == [
        (4, "p-ann", "judge"), (5, "p-bob", "judge"), (7, "p-lea", "settle"),
    ]  # fmt: skip


def test_a_known_answer_holds_whatever_people_say_and_a_lead_may_overrule_it(
    database: Database,
) -> None:
    judge(database, "pair-1", [("p-ann", accept()), ("p-bob", accept())])
    with database.write() as connection:
        rows = [GoldRow(number=1, values={"pair_id": "pair-1", "choice": "reject"})]
        gold.set_gold(connection, "p-lea", rows, 1e9 + 3)
    found = outcome(database)
    assert (found.state, found.choice, found.meaning) == (PairState.KNOWN, Choice.REJECT, None)
    assert [row.kind for row in found.rows] == ["judge", "judge", "gold"]
    with database.write() as connection:
        adjudication.settle(connection, "p-leo", "pair-1", accept(), 1e9 + 4)
    assert (outcome(database).state, outcome(database).choice) == (PairState.SETTLED, Choice.ACCEPT)


def test_pairs_that_nobody_has_touched_can_be_left_out(database: Database) -> None:
    judge(database, "pair-3", [("p-ann", accept())])
    with database.write() as connection:
        rows = [GoldRow(number=1, values={"pair_id": "pair-5", "choice": "reject"})]
        gold.set_gold(connection, "p-lea", rows, 1e9)
        found = outcomes(connection, touched_only=True)
    assert {one.pair_id for one in found} == {"pair-3", "pair-5"}


def test_right_stays_the_category_that_it_was_said_of(database: Database) -> None:
    judge(database, "pair-1", [("p-ann", accept()), ("p-bob", accept())])
    was = outcome(database).of_category
    assert outcome(database).category == "right"
    for category, named in (("shocking", was), (was, "right")):
        with database.write() as connection:
            of_pair = sa.update(tables.item).where(tables.item.c.pair_id == "pair-1")
            connection.execute(of_pair.values(category=category))
        assert outcome(database).category == named
