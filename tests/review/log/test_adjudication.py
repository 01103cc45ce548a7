"""Adjudication: who sees which disputes, as what, and what settling keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from support.small_review import PAIRS, accept, begin, fix, judge, pair_set, reject

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.adjudication import Dispute, disputes, settle, settle_dispute
from nsfwcaps.review.log.answers import Answers, Choice
from nsfwcaps.review.pairs import ReviewPairs


@pytest.fixture(autouse=True)
def pairs(database: Database, tmp_path: Path) -> ReviewPairs:
    made = pair_set(tmp_path / "set")
    begin(database, made)
    return made


def dispute(database: Database, *pairs: str) -> None:
    for name in pairs:
        said = [("p-ann", accept(comment="a broken window")), ("p-bob", reject())]
        judge(database, name, said)


def waiting(database: Database, lead: str = "p-lea", limit: int | None = None) -> list[Dispute]:
    with database.read() as connection:
        return disputes(connection, lead, limit)


def test_disputed_pairs_wait_in_the_order_of_the_queue(database: Database) -> None:
    dispute(database, *PAIRS[:4])
    judge(database, "pair-5", [("p-ann", accept()), ("p-bob", accept())])
    judge(database, "pair-6", [("p-ann", reject())])
    with database.read() as connection:
        query = sa.select(tables.item.c.pair_id).order_by(tables.item.c.position)
        order = [name for name in connection.scalars(query) if name in PAIRS[:4]]
    assert [found.pair_id for found in waiting(database)] == order
    assert [found.pair_id for found in waiting(database, limit=2)] == order[:2]


def test_opinions_come_with_comments_and_without_names(database: Database) -> None:
    dispute(database, *PAIRS)
    for found in waiting(database):
        assert [opinion.letter for opinion in found.opinions] == ["A", "B"]
        answers = {opinion.answers for opinion in found.opinions}
        assert answers == {accept(comment="a broken window"), reject()}
        assert "p-ann" not in repr(found)


def test_nobody_is_always_a(database: Database) -> None:
    dispute(database, *PAIRS)
    assert len({found.opinions[0].answers for found in waiting(database)}) == 2


def test_leads_do_not_settle_what_they_judged(database: Database) -> None:
    judge(database, "pair-1", [("p-lea", accept()), ("p-bob", reject())])
    assert waiting(database, "p-lea") == []
    assert [found.pair_id for found in waiting(database, "p-leo")] == ["pair-1"]
    with (
        database.write() as connection,
        pytest.raises(ReviewError, match="judged pair pair-1 yourself; another lead"),
    ):
        settle(connection, "p-lea", "pair-1", accept(), 1e9)


def test_a_pair_that_is_gone_or_settled_waits_no_more(database: Database) -> None:
    dispute(database, "pair-1", "pair-2")
    with database.write() as connection:
        item = tables.item
        connection.execute(sa.update(item).where(item.c.pair_id == "pair-1").values(gone=True))
        settle(connection, "p-lea", "pair-2", accept(), 1e9)
    assert waiting(database) == []


def test_settling_is_a_row_of_the_log_and_may_be_repeated(database: Database) -> None:
    dispute(database, "pair-1")
    with database.write() as connection:
        first = settle(connection, "p-lea", "pair-1", accept(), 1e9)
        second = settle(connection, "p-leo", "pair-1", fix("a cup"), 1e9)
        rows = [(link.seq, link.account_id, link.kind) for link in verdicts.links(connection)]
        assert rows[5:] == [(first, "p-lea", "settle"), (second, "p-leo", "settle")]
        query = sa.select(tables.item.c.settled).where(tables.item.c.pair_id == "pair-1")
        assert connection.scalar(query) == second
        assert verdicts.verify(connection) == []


@pytest.mark.parametrize("account", ["p-ann", "p-nobody", ""])
def test_only_leads_settle(database: Database, account: str) -> None:
    with database.write() as connection, pytest.raises(ReviewError, match="only a lead may"):
        settle(connection, account, "pair-1", accept(), 1e9)


def test_a_disabled_lead_is_none(database: Database) -> None:
    with database.write() as connection:
        account = tables.account
        connection.execute(
            sa.update(account).where(account.c.account_id == "p-lea").values(disabled=True)
        )
        with pytest.raises(ReviewError, match="only a lead may"):
            settle(connection, "p-lea", "pair-1", accept(), 1e9)


@pytest.mark.parametrize(
    ("pair_id", "answers", "kind", "message"),
    [
        ("pair-7", accept(), ReviewError, "pair pair-7 is not in this review"),
        ("pair-1", Answers(), InputError, "no choice was made"),
        ("pair-1", fix(), InputError, "no caption was changed"),
    ],
)
def test_what_cannot_be_settled(
    database: Database, pair_id: str, answers: Answers, kind: type[Exception], message: str
) -> None:
    with database.write() as connection, pytest.raises(kind, match=message):
        settle(connection, "p-lea", pair_id, answers, 1e9)


def settled(database: Database) -> list[tuple[str, str]]:
    """Account and body of each row of the log by which a lead settled."""
    with database.read() as connection:
        links = [link for link in verdicts.links(connection) if link.kind == "settle"]
    return [(link.account_id, link.body) for link in links]


def test_a_dispute_is_settled_with_the_texts_cleaned(
    database: Database, pairs: ReviewPairs
) -> None:
    dispute(database, "pair-1")
    pair = pairs.pair("pair-1")
    given = Answers(
        choice=Choice.FIX,
        category="right",
        safe_caption="  a cup  on table 1 ",
        unsafe_caption=pair.unsafe_caption,
        comment="  ",
    )
    assert settle_dispute(database, "p-lea", pair, given, 1e9) == 6
    body = (
        '{"category": "right", "choice": "fix", "of_category": "weapons", '
        '"safe_caption": "a cup on table 1"}'
    )
    assert settled(database) == [("p-lea", body)]
    assert waiting(database) == []


def test_a_dispute_is_settled_by_the_first_lead_only(
    database: Database, pairs: ReviewPairs
) -> None:
    dispute(database, "pair-1")
    settle_dispute(database, "p-lea", pairs.pair("pair-1"), accept(), 1e9)
    with pytest.raises(ReviewError, match="pair pair-1 has been settled by another lead"):
        settle_dispute(database, "p-leo", pairs.pair("pair-1"), reject(), 1e9)
    assert [account for account, _ in settled(database)] == ["p-lea"]


@pytest.mark.parametrize(
    ("account", "answers", "kind", "message"),
    [
        ("p-ann", accept(), ReviewError, "only a lead may"),
        ("p-lea", Answers(), InputError, "no choice was made"),
        ("p-lea", fix(safe="a vase on table 1"), InputError, "no caption was changed"),
    ],
)
def test_a_refused_settlement_writes_nothing(
    database: Database,
    pairs: ReviewPairs,
    account: str,
    answers: Answers,
    kind: type[Exception],
    message: str,
) -> None:
    dispute(database, "pair-1")
    with pytest.raises(kind, match=message):
        settle_dispute(database, account, pairs.pair("pair-1"), answers, 1e9)
    assert settled(database) == []
