"""The page of progress, where some answers are known beforehand."""

from __future__ import annotations

import sys

import pytest
from support.small_review import accept, judge, reject
from tabs import Review, Tab

from nsfwcaps.review.queue import gold

SHARE = "0 of 5 pairs have all their verdicts; known answers, counted separately: 1"


def know(review: Review) -> None:
    """Put a known answer into the queue."""
    row = gold.GoldRow(number=1, values={"pair_id": "pair-3", "choice": "accept"})
    with review.database.write() as connection:
        gold.set_gold(connection, review.id_of("Lea"), [row], 1e9)


def share_of(tab: Tab) -> str:
    return str(tab.app.get("progress")[0].proto.text)


def test_known_answers_are_no_verdicts_of_people(review: Review) -> None:
    review.begin()
    know(review)
    tab = review.browser("Lea").open("Progress")
    assert share_of(tab) == SHARE
    assert "No known answer has been judged yet; they are in the queue." in tab.texts


def test_a_known_answer_that_somebody_judged_is_compared(review: Review) -> None:
    review.begin()
    know(review)
    judge(review.database, "pair-3", [(review.id_of("Ann"), accept())])
    tab = review.browser("Lea").open("Progress")
    assert share_of(tab) == SHARE
    assert not any(text.startswith("No known answer") for text in tab.texts)


def raw(tab: Tab) -> str:
    (found,) = [one.value for one in tab.app.dataframe if "coefficient" in one.value][:1]
    return str(found["value"][0])


def test_agreement_is_of_now_where_that_is_quick(review: Review) -> None:
    review.begin()
    tab = agreed_on(review, "pair-1")
    assert raw(tab) == "1.00"
    differ_on(review, "pair-2")
    assert raw(tab.run()) == "0.50"
    assert "Measure now" not in tab.labels


def test_agreement_that_takes_long_may_be_older_and_says_so(
    review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    review.begin()
    tab = agreed_on(review, "pair-1")
    # The page's own module, which is imported when the page is first run.
    monkeypatch.setattr(sys.modules["review_app.pages.progress"], "_QUICK_S", -1.0)
    differ_on(review, "pair-2")
    assert raw(tab.run()) == "1.00"
    (said,) = [text for text in tab.texts if text.startswith("Measured at ")]
    assert said.endswith(" UTC, up to row 8 of 10.")
    assert raw(tab.press("Measure now")) == "0.50"
    assert not [text for text in tab.texts if text.startswith("Measured at ")]


def agreed_on(review: Review, pair_id: str) -> Tab:
    both = [(review.id_of(name), accept()) for name in ("Ann", "Bob")]
    judge(review.database, pair_id, both)
    return review.browser("Lea").open("Progress")


def differ_on(review: Review, pair_id: str) -> None:
    both = [(review.id_of("Ann"), accept()), (review.id_of("Bob"), reject())]
    judge(review.database, pair_id, both)
