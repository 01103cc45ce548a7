"""What comes before a pair, between pairs and after the last one."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa
from support import small_review
from tabs import Review

from nsfwcaps.review import tables

BEGIN = "I have read this, begin"


def long_ago(review: Review, **columns: sa.ColumnElement[float]) -> None:
    with review.database.write() as connection:
        connection.execute(sa.update(tables.session).values(**columns))


def test_consent_counts_what_waits_and_uncovers_nothing(review: Review) -> None:
    tab = review.begin().browser("Ann").open()
    table = tab.app.dataframe[0].value
    assert table.to_dict("list") == {
        "category": ["smoking", "weapons"],
        "severity": ["mild", "mild"],
        "pairs": [3, 3],
    }
    assert "after 60 pairs, 150 uncovered texts and images, or 25 minutes" in (
        tab.app.markdown[-1].value
    )
    assert b" on table " not in tab.sent


def test_no_pair_comes_of_a_category_that_was_left_out(review: Review) -> None:
    browser = review.begin().browser("Ann")
    tab = browser.open()
    tab.app.multiselect(key="opted-out").set_value(["weapons"])
    tab.press(BEGIN)
    seen = []
    while tab.judging:
        seen.append(review.before("Ann").category)
        tab.send({"do": "skip"})
    assert seen == ["smoking"] * 3
    assert tab.heading == "No pairs left for you"


def test_what_was_left_out_stays_so_and_can_be_let_in_again(review: Review) -> None:
    browser = review.begin().browser("Ann")
    tab = browser.open()
    tab.app.multiselect(key="opted-out").set_value(["weapons"])
    tab.press(BEGIN).send({"do": "stop"})
    assert tab.app.multiselect(key="opted-out").value == ["weapons"]
    assert browser.open().app.multiselect(key="opted-out").value == ["weapons"]
    assert list(tab.app.dataframe[0].value["category"]) == ["smoking"]
    tab.app.multiselect(key="opted-out").set_value([])
    tab.press(BEGIN).send({"do": "stop"})
    assert list(tab.app.dataframe[0].value["category"]) == ["smoking", "weapons"]


def test_a_cap_of_the_session_brings_a_break(review: Review) -> None:
    tab = review.begin(pairs_per_session=1).browser("Ann").open()
    tab.press(BEGIN).reject()
    assert tab.heading == "Time for a break"
    assert "the session's pairs are used up" in tab.app.markdown[0].value
    assert "You can continue in 5 minutes" in tab.app.markdown[1].value.replace("\\", "")
    assert tab.labels == ["Undo the last verdict"]


def test_after_the_break_consent_is_asked_anew(review: Review) -> None:
    tab = review.begin(pairs_per_session=1).browser("Ann").open()
    tab.press(BEGIN).reject()
    long_ago(review, ended=tables.session.c.ended - 301)
    assert tab.run().heading == "Your queue"


def test_a_cap_of_the_day_ends_the_day(review: Review) -> None:
    tab = review.begin(pairs_per_day=1).browser("Ann").open()
    tab.press(BEGIN).reject()
    assert "the day's pairs are used up" in tab.app.markdown[0].value
    assert tab.app.markdown[1].value == "You can continue tomorrow, after midnight UTC."
    assert tab.run().labels == ["Undo the last verdict"]


def test_when_the_minutes_are_over_the_answers_so_far_are_kept(review: Review) -> None:
    tab = review.begin().browser("Ann").open().press(BEGIN).look("safe text")
    tab.send({"do": "answer", "values": {"safe_is_safe": "yes"}})
    before = review.before("Ann")
    long_ago(review, started=time.time() - 26 * 60)
    assert "the session's time is used up" in tab.run().app.markdown[0].value
    long_ago(review, ended=tables.session.c.ended - 301)
    tab.run().press(BEGIN)
    assert tab.judging["task"]["answers"] == {"safe_is_safe": "yes"}
    assert review.before("Ann") == before


def test_what_the_cap_allows_is_shown_and_its_pair_may_be_finished(review: Review) -> None:
    tab = review.begin(reveals_per_session=1).browser("Ann").open().press(BEGIN)
    pair = review.before("Ann")
    tab.look("safe text")
    assert pair.safe_caption.encode() in tab.sent
    tab.look("unsafe text")
    told = "you have reached this session's or day's cap on uncovered items"
    assert tab.judging["refused"]["message"] == told
    assert pair.unsafe_caption.encode() not in tab.sent
    tab.outbox, tab.epoch = [], 1
    tab.decide("reject", safe_is_safe="no")
    assert "uncovered texts and images are used up" in tab.app.markdown[0].value
    assert [row["pair_id"] for row in review.log()] == [pair.pair_id]


@pytest.mark.parametrize("shown", [True, False])
def test_two_severe_pairs_do_not_follow_each_other_once_one_was_seen(
    review: Review, shown: bool
) -> None:
    rows = [{**row, "category": "violence"} for row in small_review.rows()]
    tab = review.begin(rows).browser("Ann").open().press(BEGIN)
    if shown:
        tab.look("unsafe text")
    tab.send({"do": "skip"})
    assert bool(tab.judging) != shown
    assert "Time for a break" in [header.value for header in tab.app.header] or not shown


def test_the_last_pair_is_followed_by_thanks(review: Review) -> None:
    tab = review.begin(small_review.rows()[:2]).browser("Ann").open().press(BEGIN)
    tab.reject().reject()
    assert tab.heading == "No pairs left for you"
    assert tab.app.markdown[-1].value == "Thank you."


def test_who_finds_nothing_hears_that_others_have_the_rest(review: Review) -> None:
    review.begin(small_review.rows()[:1], overlap=1)
    review.browser("Bob").open().press(BEGIN)
    tab = review.browser("Ann").open().press(BEGIN)
    assert tab.app.markdown[0].value.startswith("Other people are judging the remaining pairs")


def test_a_data_set_that_changed_shows_no_pair_and_keeps_verdicts(review: Review) -> None:
    tab = review.begin().browser("Ann").open()
    tab.press(BEGIN).reject()
    (file,) = (review.folder / "dataset" / "data").iterdir()
    file.write_bytes(file.read_bytes() + b" ")
    assert "it says whether --update is needed" in tab.run().said[0]
    assert tab.labels == []
    assert len(review.log()) == 1
