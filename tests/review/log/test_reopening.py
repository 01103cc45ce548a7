"""Leads who change their mind: every act is a row of the log, and bound to what it was about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.small_review import accept, begin, fix, judge, pair_set, reject, take_back

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import reopening, verdicts, verifying
from nsfwcaps.review.log.adjudication import Dispute, disputes, settle_dispute
from nsfwcaps.review.log.answers import Answers
from nsfwcaps.review.log.outcomes import outcomes
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue.gold import GoldRow, accuracy, set_gold

PAIR = "pair-1"


@pytest.fixture(autouse=True)
def pairs(database: Database, tmp_path: Path) -> ReviewPairs:
    made = pair_set(tmp_path / "set")
    begin(database, made)
    return made


def differ(database: Database, pair_id: str = PAIR) -> None:
    judge(database, pair_id, [("p-ann", accept()), ("p-bob", reject())])


def settle(
    database: Database, pairs: ReviewPairs, answers: Answers, lead: str = "p-lea", pair: str = PAIR
) -> int:
    return settle_dispute(database, lead, pairs.pair(pair), answers, 1e9)


def reopen(database: Database, of: int | None, lead: str = "p-lea", pair: str = PAIR) -> int:
    with database.write() as connection:
        return reopening.reopen(connection, lead, pair, 1e9, of=of)


def undo(database: Database, seq: int, lead: str = "p-lea") -> str:
    with database.write() as connection:
        return reopening.undo(connection, lead, seq, 1e9)


def last(database: Database, lead: str = "p-lea") -> int | None:
    with database.read() as connection:
        found = reopening.last_act(connection, lead)
    return None if found is None else found.seq


def waiting(database: Database, lead: str = "p-lea") -> list[Dispute]:
    with database.read() as connection:
        return disputes(connection, lead)


def state(database: Database, pair: str = PAIR) -> tuple[str, str | None]:
    with database.read() as connection:
        assert verifying.verify(connection) == []
        (found,) = [one for one in outcomes(connection) if one.pair_id == pair]
    return found.state.value, found.choice and found.choice.value


def test_a_settled_pair_is_opened_again_and_settled_otherwise(
    database: Database, pairs: ReviewPairs
) -> None:
    differ(database)
    first = settle(database, pairs, accept())
    assert state(database) == ("settled", "accept")
    assert reopen(database, first, lead="p-leo") == first + 1
    assert state(database) == ("disputed", None)
    assert [found.pair_id for found in waiting(database)] == [PAIR]
    settle(database, pairs, reject())
    assert state(database) == ("settled", "reject")
    with database.read() as connection:
        log = [(link.kind, link.account_id) for link in verdicts.links(connection)]
        body = json.loads(list(verdicts.links(connection))[6].body)
    assert log[5:] == [("settle", "p-lea"), ("reopen", "p-leo"), ("settle", "p-lea")]
    assert body == {"of": 6}


def test_undo_goes_back_step_by_step(database: Database, pairs: ReviewPairs) -> None:
    for name in ("pair-1", "pair-2"):
        differ(database, name)
    one = settle(database, pairs, accept())
    two = settle(database, pairs, fix("a cup"), pair="pair-2")
    assert last(database) == two
    assert undo(database, two) == "pair-2"
    assert last(database) == one
    assert undo(database, one) == "pair-1"
    assert last(database) is None
    assert {state(database, name)[0] for name in ("pair-1", "pair-2")} == {"disputed"}


def test_undo_of_an_opening_brings_back_what_it_took_away(
    database: Database, pairs: ReviewPairs
) -> None:
    differ(database)
    first = settle(database, pairs, accept())
    opened = reopen(database, first)
    undo(database, opened)
    assert state(database) == ("settled", "accept")
    with database.read() as connection:
        assert [row.seq for row in reopening.settled(connection)] == [first]
    judge(database, "pair-2", [("p-ann", accept()), ("p-bob", accept())])
    undo(database, reopen(database, None, pair="pair-2"))
    assert state(database, "pair-2") == ("agreed", "accept")


def test_undo_is_of_what_was_shown_and_of_ones_own(database: Database, pairs: ReviewPairs) -> None:
    differ(database)
    first = settle(database, pairs, accept())
    assert last(database, "p-leo") is None
    with pytest.raises(ReviewError, match="no longer your last decision; nothing was undone"):
        undo(database, first, "p-leo")
    reopen(database, first, "p-leo")
    settle(database, pairs, reject(), "p-leo")
    with pytest.raises(ReviewError, match="no longer your last decision; nothing was undone"):
        undo(database, first)
    assert state(database) == ("settled", "reject")


def test_of_two_leads_who_open_a_pair_the_second_hears_of_the_first(
    database: Database, pairs: ReviewPairs
) -> None:
    differ(database)
    first = settle(database, pairs, accept())
    reopen(database, first, "p-leo")
    with pytest.raises(ReviewError, match="another lead has changed pair pair-1 since"):
        reopen(database, first)
    settle(database, pairs, accept(), "p-leo")
    with pytest.raises(ReviewError, match="another lead has changed pair pair-1 since"):
        reopen(database, first)


def test_a_verdict_that_changed_since_it_was_shown_is_not_settled_over(
    database: Database, pairs: ReviewPairs
) -> None:
    differ(database)
    (shown,) = waiting(database)
    with database.write() as connection:
        take_back(connection, "p-bob", 1e9)
        verdicts.judge(connection, "p-bob", PAIR, reject(comment="the vase is broken"), 1e9)
    with pytest.raises(ReviewError, match="verdicts on pair pair-1 have changed since"):
        settle_dispute(database, "p-lea", pairs.pair(PAIR), accept(), 1e9, seen=shown.seen)
    (shown,) = waiting(database)
    settle_dispute(database, "p-lea", pairs.pair(PAIR), accept(), 1e9, seen=shown.seen)


def test_a_dispute_is_set_aside_and_brought_back(database: Database, pairs: ReviewPairs) -> None:
    differ(database)
    (shown,) = waiting(database)
    with database.write() as connection:
        seq = reopening.set_aside(connection, "p-lea", shown, 1e9, comment=" ask the others ")
    assert waiting(database) == waiting(database, "p-leo") == []
    assert state(database) == ("disputed", None)
    with database.read() as connection:
        (row,) = reopening.aside(connection)
    assert (row.pair_id, row.by, row.comment) == (PAIR, "p-lea", "ask the others")
    with pytest.raises(ReviewError, match="pair-1 has been set aside by another lead"):
        settle(database, pairs, accept(), "p-leo")
    with database.write() as connection, pytest.raises(ReviewError, match="been set aside"):
        reopening.set_aside(connection, "p-leo", shown, 1e9)
    reopen(database, seq, "p-leo")
    assert [found.pair_id for found in waiting(database)] == [PAIR]
    assert state(database) == ("disputed", None)


def test_agreed_pairs_can_be_opened_and_are_then_a_dispute(
    database: Database, pairs: ReviewPairs
) -> None:
    judge(database, PAIR, [("p-ann", accept()), ("p-bob", accept())])
    assert waiting(database) == []
    reopen(database, None)
    assert state(database) == ("disputed", None)
    assert [found.pair_id for found in waiting(database)] == [PAIR]
    seq = settle(database, pairs, reject())
    assert state(database) == ("settled", "reject")
    undo(database, seq)
    assert state(database) == ("disputed", None)


def test_a_known_answer_that_was_judged_can_be_doubted(
    database: Database, pairs: ReviewPairs
) -> None:
    with database.write() as connection:
        row = GoldRow(number=1, values={"pair_id": PAIR, "choice": "accept"})
        set_gold(connection, "p-lea", [row], 1e9)
    with pytest.raises(ReviewError, match=r"nobody has judged pair pair-1.*review gold FILE"):
        reopen(database, None)
    judge(database, PAIR, [("p-ann", reject())])
    assert state(database) == ("known", "accept")
    with database.read() as connection:
        assert len(accuracy(connection)) == 1
    reopen(database, None)
    assert state(database) == ("disputed", None)
    (shown,) = waiting(database)
    assert shown.known is not None
    assert shown.known.choice == "accept"
    with database.write() as connection:
        assert accuracy(connection) == []
        with pytest.raises(Exception, match="opened as a dispute by a lead"):
            set_gold(connection, "p-lea", [row], 1e9)
    settle(database, pairs, reject())
    assert state(database) == ("settled", "reject")


def test_what_cannot_be_opened(database: Database) -> None:
    with pytest.raises(
        ReviewError, match=r"nobody has judged pair pair-1, .*it waits in the queue"
    ):
        reopen(database, None)
    with pytest.raises(ReviewError, match="pair pair-9 is not in this review"):
        reopen(database, None, pair="pair-9")
    differ(database)
    with pytest.raises(ReviewError, match="only a lead may"):
        reopen(database, None, lead="p-ann")
    judge(database, "pair-3", [("p-ann", accept()), ("p-bob", accept())])
    with database.write() as connection:
        with pytest.raises(ReviewError, match="pair pair-1 is a dispute already"):
            reopening.open_again(connection, "p-lea", PAIR, 1e9)
        reopening.open_again(connection, "p-lea", "pair-3", 1e9)
        with pytest.raises(ReviewError, match="pair pair-3 is a dispute already"):
            reopening.open_again(connection, "p-lea", "pair-3", 1e9)
        gone = sa.update(tables.item).where(tables.item.c.pair_id == "pair-2").values(gone=True)
        connection.execute(gone)
    judge(database, "pair-2", [("p-ann", accept())])
    with pytest.raises(ReviewError, match="pair pair-2 is no longer in the data set"):
        reopen(database, None, pair="pair-2")


def test_leads_rows_keep_their_place_when_the_table_is_changed(
    database: Database, pairs: ReviewPairs
) -> None:
    differ(database)
    reopen(database, settle(database, pairs, accept()))
    item = tables.item
    with database.write() as connection:
        connection.execute(
            sa.update(item).where(item.c.pair_id == PAIR).values(opened=None, aside=3)
        )
        assert verifying.verify(connection) == [
            "the leads' disputes set aside (item.aside): does not match the log; "
            "the table was changed",
            "the leads' openings (item.opened): does not match the log; the table was changed",
        ]


def test_those_who_ask_come_first_then_what_leads_opened(
    database: Database, pairs: ReviewPairs
) -> None:
    for name in ("pair-1", "pair-2", "pair-3"):
        differ(database, name)
    judge(database, "pair-4", [("p-ann", accept()), ("p-bob", accept())])
    judge(database, "pair-5", [("p-ann", accept())])
    item = tables.item
    with database.write() as connection:
        asked = sa.update(item).where(item.c.pair_id == "pair-5").values(asked=1)
        connection.execute(asked)
    reopen(database, None, pair="pair-4")
    assert [found.pair_id for found in waiting(database)][:2] == ["pair-5", "pair-4"]
    assert len(waiting(database)) == 5
