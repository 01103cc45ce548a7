"""My verdicts: own ones only, as covers, and a way to change one."""

from __future__ import annotations

from support.desks import task
from tabs import Review

from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.queue.desk import Desk

BEGIN = "I have read this, begin"


def test_a_verdict_is_changed_and_its_pair_comes_again(review: Review) -> None:
    tab = review.begin().browser("Ann").open().press(BEGIN)
    desk = Desk(review.database, review.pairs, review.id_of("Ann"))
    held = task(desk.state())
    desk.decide(held.token, Choice.REJECT, comment="blurred *here*")
    tab.choose("My verdicts")
    assert b" on table " not in tab.sent
    assert "Comment: blurred *here*" in [text.value for text in tab.app.text]
    (label,) = [name for name in tab.labels if name.startswith("Change the verdict")]
    tab.press(label)
    assert not any(name.startswith("Change the verdict") for name in tab.labels)
    assert task(desk.state()).pair_id == held.pair_id
    assert review.browser("Bob").open("My verdicts").labels == []
