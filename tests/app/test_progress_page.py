"""The page of progress, where some answers are known beforehand."""

from __future__ import annotations

from support.small_review import accept, judge
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
