"""The record of exposure: its owner's alone, and erased for good."""

from __future__ import annotations

from tabs import Review

from nsfwcaps.review.queue.exposure import Event

BEGIN = "I have read this, begin"


def test_everybody_sees_their_own_entries_only(review: Review) -> None:
    ann = review.begin().browser("Ann").open().press(BEGIN).reject()
    ann.choose("My record")
    assert list(ann.app.dataframe[0].value["event"]) == ["decided", "text uncovered", "consent"]
    bob = review.browser("Bob").open("My record")
    assert len(bob.app.dataframe[0].value) == 0
    bob.choose("Judge").press(BEGIN)
    assert list(bob.choose("My record").app.dataframe[0].value["event"]) == ["consent"]


def test_a_lead_sees_nothing_of_it_on_any_page(review: Review) -> None:
    ann = review.begin().browser("Ann").open().press(BEGIN).look("safe text")
    ann.send({"do": "skip"})
    lead = review.browser("Lea").open()
    events = {event.value for event in Event}
    for page in lead.pages:
        frames = [frame.value for frame in lead.choose(page).app.dataframe]
        assert not events & {str(value) for frame in frames for value in frame.to_numpy().flat}
    assert len(lead.choose("My record").app.dataframe[0].value) == 0


def test_the_record_holds_no_caption(review: Review) -> None:
    tab = review.begin().browser("Ann").open().press(BEGIN).look("safe text")
    assert b" on table " in tab.sent
    assert b" on table " not in tab.choose("My record").sent


def test_erasing_needs_a_second_yes_and_leaves_verdicts(review: Review) -> None:
    tab = review.begin().browser("Ann").open().press(BEGIN).reject()
    tab.send({"do": "skip"})
    tab.choose("My record")
    assert tab.app.button(key="erase").disabled
    tab.app.checkbox(key="sure").check()
    tab.run().press("Erase")
    assert len(tab.app.dataframe[0].value) == 0
    assert tab.app.button(key="erase").disabled
    assert len(review.log()) == 1
    judging = tab.choose("Judge").judging
    assert (judging["judged"], judging["task"]["left"]["pairs"]) == (1, 58)
