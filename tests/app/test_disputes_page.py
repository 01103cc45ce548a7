"""The page of disputes: a slip can be taken back, and nothing typed is thrown away unasked."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from support import small_review
from support.small_review import accept, fix, judge, reject
from tabs import Review, Tab, with_images

from nsfwcaps.review import tables
from nsfwcaps.review.log.answers import Answers
from nsfwcaps.review.queue import exposure

PAIR = "pair-1"


def disputed(review: Review, *pairs: str, anns: Answers | None = None, **policy: Any) -> Review:
    """Begin a review in which Bob rejects some pairs and Ann does not."""
    review.begin(**policy)
    for name in pairs or (PAIR,):
        said = [(review.id_of("Ann"), anns or accept()), (review.id_of("Bob"), reject())]
        judge(review.database, name, said)
    return review


def shown(tab: Tab) -> str:
    """The pair that is to settle."""
    (text,) = [text for text in tab.texts if text.startswith("pair pair-")]
    return text.removeprefix("pair ")


def kinds(review: Review) -> list[str]:
    with review.database.read() as connection:
        row = tables.verdict.c
        query = sa.select(row.kind).where(row.pair_id != "").order_by(row.seq)
        return [kind for kind in connection.scalars(query) if kind != "judge"]


def settle(tab: Tab, label: str) -> Tab:
    return tab.press("Show the text").press(label)


def test_a_slip_is_taken_back_and_the_dispute_is_as_before(review: Review) -> None:
    tab = disputed(review, PAIR, "pair-2").browser("Lea").open("Disputes")
    assert "Undo" not in tab.labels
    first = shown(tab)
    settle(tab.fill(**{f"comment_{first}": "the table is whole"}), "Reject")
    assert shown(tab) != first
    assert any(text.startswith(f"Your last decision: pair {first} reject") for text in tab.texts)
    tab.press("Undo")
    assert shown(tab) == first
    assert tab.app.text_area(key=f"comment-{first}").value == "the table is whole"
    assert kinds(review) == ["settle", "reopen"]
    assert "Undo" not in tab.labels
    tab.press("Accept")
    (last,) = review.log("settle")[1:]
    assert (last["pair_id"], last["choice"]) == (first, "accept")


def test_a_second_press_does_not_settle_the_next_dispute(review: Review) -> None:
    tab = disputed(review, PAIR, "pair-2").browser("Lea").open("Disputes")
    settle(tab, "Accept").press("Accept")
    assert tab.said == ["show a text or an image of the pair before you settle it"]
    assert kinds(review) == ["settle"]
    assert [button.proto.shortcut for button in tab.app.button if button.proto.shortcut] == []


def test_what_another_lead_settled_is_opened_again(review: Review) -> None:
    settle(disputed(review).browser("Leo").open("Disputes"), "Reject")
    tab = review.browser("Lea").open("Disputes")
    table = tab.app.dataframe[0].value
    assert table[["pair", "decision", "lead"]].values.tolist() == [[PAIR, "reject", "Leo"]]
    tab.press("Open again")
    assert shown(tab) == PAIR
    assert kinds(review) == ["settle", "reopen"]


def test_of_two_leads_who_open_a_pair_the_second_hears_of_the_first(review: Review) -> None:
    settle(disputed(review).browser("Leo").open("Disputes"), "Reject")
    one, other = (review.browser(name).open("Disputes") for name in ("Lea", "Leo"))
    one.press("Open again")
    other.press("Undo")
    assert other.said == ["that is no longer your last decision; nothing was undone"]
    assert kinds(review) == ["settle", "reopen"]


def test_a_dispute_is_set_aside_and_brought_back(review: Review) -> None:
    tab = disputed(review).browser("Lea").open("Disputes")
    tab.fill(comment_pair_1="ask the others").press("Set aside")
    assert "No dispute is set aside." not in tab.texts
    assert tab.app.dataframe[0].value["comment"].tolist() == ["ask the others"]
    assert "Accept" not in tab.labels
    review.browser("Leo").open("Disputes").press("Bring back")
    assert shown(tab.run()) == PAIR
    assert kinds(review) == ["aside", "reopen"]


@pytest.mark.parametrize("label", ["Accept", "Reject"])
def test_a_changed_caption_is_not_thrown_away_unasked(review: Review, label: str) -> None:
    tab = disputed(review).browser("Lea").open("Disputes")
    tab.app.toggle(key=f"fixing-{PAIR}").set_value(True)
    tab.run().press("Show the text", at=1).fill(fix_safe_pair_1="a cup on table 1").press(label)
    assert kinds(review) == []
    assert tab.said == ["You changed a caption. This decision throws the change away."]
    assert tab.app.text_area(key=f"fix-safe-{PAIR}").value == "a cup on table 1"
    tab.press(f"{label} and drop the change")
    (row,) = review.log("settle")
    assert (row["choice"], "safe_caption" in row) == (label.lower(), False)


def test_what_was_typed_outlives_the_field_the_page_and_the_tab(review: Review) -> None:
    tab = disputed(review).browser("Lea").open("Disputes")
    tab.app.toggle(key=f"fixing-{PAIR}").set_value(True)
    tab.run().press("Show the text", at=1)
    tab.fill(fix_safe_pair_1="a cup on table 1", comment_pair_1="a cup is better")
    tab.app.toggle(key=f"fixing-{PAIR}").set_value(False)
    tab.run().press("Accept")
    assert kinds(review) == []  # it asks, though the field is put away
    again = tab.browser.open("Progress").choose("Disputes")
    assert again.app.text_area(key=f"comment-{PAIR}").value == "a cup is better"
    assert b"a cup on table 1" not in again.sent
    again.press("Show the text", at=1)
    assert again.app.text_area(key=f"fix-safe-{PAIR}").value == "a cup on table 1"
    again.press("Fix a caption")
    (row,) = review.log("settle")
    assert (row["safe_caption"], row["comment"]) == ("a cup on table 1", "a cup is better")
    with review.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.preference)) == 0


def test_a_pair_on_which_all_agree_is_opened_by_its_id(review: Review) -> None:
    review.begin()
    both = [(review.id_of(name), accept()) for name in ("Ann", "Bob")]
    judge(review.database, "pair-2", both)
    tab = review.browser("Lea").open("Disputes")
    tab.app.text_input(key="pair-to-open").set_value("pair-9")
    assert tab.press("Open it as a dispute").said == ["pair pair-9 is not in this review"]
    tab.app.text_input(key="pair-to-open").set_value(" pair-2 ")
    assert shown(tab.press("Open it as a dispute")) == "pair-2"
    tab.press("Undo")
    assert "No disputes for you. Another lead settles those on pairs you judged." in tab.texts


def test_those_who_ask_are_shown_first_with_their_comment(review: Review) -> None:
    disputed(review, "pair-1", "pair-2", "pair-3")
    asks = reject(comment="is this a vase?", ask_lead=True)
    judge(review.database, "pair-5", [(review.id_of("Ann"), asks)])
    tab = review.browser("Lea").open("Disputes")
    assert shown(tab) == "pair-5"
    assert tab.said == ["A asks you: is this a vase?"]


def test_what_a_lead_uncovers_is_recorded_for_them_and_capped(review: Review) -> None:
    disputed(review, anns=fix(safe="a cup"), lead_reveals_per_hour=2)
    tab = review.browser("Lea").open("Disputes").press("Show the text", at=1)
    assert tab.app.caption[1].value == (
        "You may uncover 1 more texts and images on the pages of leads in this hour. "
        "They are in your own record."
    )
    tab.press("Show the safe text as edited by " + letter(tab))
    assert "a cup" in tab.texts
    tab.press("Show the text")
    assert [text for text in tab.said if "which is the cap" in text]
    assert b"a handgun on table 1" not in tab.sent
    with review.database.read() as connection:
        mine = exposure.entries(connection, review.id_of("Lea"))
    assert [(one.event.value, one.pair_id, one.category) for one in mine] == [
        ("text uncovered", PAIR, None),
        ("text uncovered", PAIR, None),
    ]
    with review.database.write() as connection:
        exposure.erase(connection, review.id_of("Lea"), "2001-01-01")
    tab.press("Show the text")
    assert [text for text in tab.said if "which is the cap" in text]


def letter(tab: Tab) -> str:
    (label,) = [label for label in tab.labels if "as edited by" in label]
    return label[-1]


def test_an_image_that_cannot_be_shown_costs_nothing(review: Review) -> None:
    rows = with_images(small_review.rows())
    rows[0]["safe_image"] = b"no image"
    review.begin(rows)
    said = [(review.id_of("Ann"), accept()), (review.id_of("Bob"), reject())]
    judge(review.database, PAIR, said)
    tab = review.browser("Lea").open("Disputes").press("Show the image", at=1)
    assert tab.said == ["the safe image of pair pair-1 cannot be decoded"]
    tab.press("Accept")
    assert tab.said == ["show a text or an image of the pair before you settle it"]
    with review.database.read() as connection:
        assert exposure.entries(connection, review.id_of("Lea")) == []
    tab.press("Show the image", at=0)
    with review.database.read() as connection:
        (mine,) = exposure.entries(connection, review.id_of("Lea"))
    assert (mine.event.value, mine.category, mine.severity) == ("image uncovered", "weapons", 1)
