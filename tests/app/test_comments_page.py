"""The page of comments: what annotators say outside disputes reaches a lead."""

from __future__ import annotations

from support.small_review import accept, judge, reject
from tabs import Review

from nsfwcaps.review.queue import exposure
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.states import ReviewTask


def commented(review: Review) -> Review:
    """Begin a review with comments on pairs that are agreed, disputed and pending."""
    review.begin()
    ann, bob = review.id_of("Ann"), review.id_of("Bob")
    kept = accept(comment="the table is round")
    judge(review.database, "pair-1", [(ann, kept), (bob, accept(comment="so is the vase"))])
    judge(review.database, "pair-2", [(ann, accept(comment="the vase is odd")), (bob, reject())])
    judge(review.database, "pair-3", [(ann, reject(comment="still alone"))])
    return review


def test_comments_are_listed_by_pair_with_what_became_of_it(review: Review) -> None:
    tab = commented(review).browser("Lea").open("Comments")
    assert [text for text in tab.texts if text.startswith("pair ")] == [
        "pair pair-3 · pending",
        "pair pair-1 · agreed: accept",
    ]
    assert {text[3:] for text in tab.texts if text[1:3] == " ("} == {
        "accept): the table is round", "accept): so is the vase"
    }  # fmt: skip
    sent = [
        b" on table 1",
        b"the vase is odd",
        b"still alone",
        b"Ann",
        review.id_of("Ann").encode(),
    ]
    assert [text for text in sent if text in tab.sent] == []


def test_a_pair_that_the_lead_may_be_given_is_first_left_to_others(review: Review) -> None:
    tab = commented(review).browser("Lea").open("Comments")
    assert "A (reject): still alone" in tab.press("Leave the pair to others and read").texts
    desk = Desk(review.database, review.pairs, review.id_of("Lea"))
    desk.consent()
    given = []
    while isinstance(task := desk.state(), ReviewTask):
        given.append(task.pair_id)
        desk.skip(task.token)
    assert sorted(given) == ["pair-4", "pair-5", "pair-6"]


def test_a_dispute_is_opened_from_a_comment(review: Review) -> None:
    tab = commented(review).browser("Lea").open("Comments")
    tab.press("Open a dispute")
    assert "pair pair-1 · agreed: accept" not in tab.texts
    (row,) = review.log("reopen")
    assert (row["pair_id"], row["of"]) == ("pair-1", None)
    assert "pair pair-1" in tab.choose("Disputes").texts
    tab.press("Show the text").press("Reject")
    assert "pair pair-1 · settled: reject" in tab.choose("Comments").texts
    assert "pair pair-1" in tab.press("Open a dispute").choose("Disputes").texts


def test_what_is_uncovered_there_counts_too(review: Review) -> None:
    commented(review)
    tab = review.browser("Lea").open("Comments").press("Show the text")
    assert "a handgun on table 1" in tab.texts
    with review.database.read() as connection:
        (mine,) = exposure.entries(connection, review.id_of("Lea"))
    assert (mine.pair_id, mine.category) == ("pair-1", "weapons")
