"""A pair: covered, asked about one question at a time, decided once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from support import small_review
from tabs import Review, Tab, with_images

BEGIN = "I have read this, begin"
QUESTIONS = [
    "Is the safe side safe?",
    "Is the unsafe side unsafe?",
    "Is its category right?",
    "How much of the meaning does the safe side keep, apart from the unsafe part?",
    "What should happen to the pair?",
]
GOOD = ["Yes", "Yes", "Yes", "4 most"]


def begun(review: Review, rows: Sequence[dict[str, Any]] | None = None, **policy: Any) -> Tab:
    return review.begin(rows, **policy).browser("Ann").open().press(BEGIN)


def given(row: dict[str, Any]) -> dict[str, Any]:
    """What was said, without what every row of the log has."""
    names = ("safe_is_safe", "unsafe_is_unsafe", "category", "meaning", "choice")
    return {name: row[name] for name in names if name in row}


def test_captions_and_images_do_not_leave_the_server_before_they_are_uncovered(
    review: Review,
) -> None:
    tab = begun(review, with_images(small_review.rows()))
    pair = review.before("Ann")
    captions = [pair.unsafe_caption.encode(), pair.safe_caption.encode()]
    assert [caption in tab.sent for caption in captions] == [False, False]
    tab.press("Show the text", at=1)
    assert [caption in tab.sent for caption in captions] == [False, True]
    assert tab.images == 0
    tab.press("Show the image", at=1)
    assert tab.images == 1
    tab.press("Show the text")
    assert [caption in tab.sent for caption in captions] == [True, True]


def test_a_cover_names_category_and_severity_and_the_similarity(review: Review) -> None:
    tab = begun(review)
    pair = review.before("Ann")
    about = [f"{pair.category} · mild", f"cosine {pair.sim_text:.2f} · {pair.level}"]
    assert tab.texts == [*about, "Ann (annotator)"]


def test_a_long_caption_scrolls_so_that_the_question_stays_in_sight(review: Review) -> None:
    rows = small_review.rows()[:1]
    tab = begun(review, [{**rows[0], "safe_caption": "a vase " * 200}])
    assert tab.press("Show the text").scrolling == 0
    assert tab.press("Show the text").scrolling == 1


def test_one_question_comes_after_the_other_and_a_verdict_keeps_all_answers(
    review: Review,
) -> None:
    tab = begun(review)
    pair, first = review.before("Ann"), tab.heading
    assert [first, *(tab.judge(label).heading for label in GOOD)] == QUESTIONS
    tab.press("Accept")
    (row,) = review.log()
    assert (row["pair_id"], row["account_id"]) == (pair.pair_id, review.id_of("Ann"))
    assert given(row) == {
        "safe_is_safe": "yes",
        "unsafe_is_unsafe": "yes",
        "category": "right",
        "meaning": 4,
        "choice": "accept",
    }
    assert review.before("Ann") != pair
    assert tab.app.caption[0].value.startswith("1 judged · left in this session: 59 pairs")


def test_where_the_safe_side_fails_nobody_is_asked_about_the_unsafe_one(review: Review) -> None:
    tab = begun(review).judge("No")
    assert tab.heading == "What should happen to the pair?"
    assert not tab.buttons_of("Accept")
    tab.press("Reject")
    assert given(review.log()[0]) == {"safe_is_safe": "no", "choice": "reject"}


def test_another_category_can_be_said_to_be_the_right_one(review: Review) -> None:
    tab = begun(review).judge("Yes", "Yes")
    other = "smoking" if review.before("Ann").category == "weapons" else "weapons"
    assert [label for label in tab.labels if label.startswith("No: ")] == [f"No: {other}"]
    tab.judge(f"No: {other}", "3 half", "Accept")
    assert review.log()[0]["category"] == other


def test_back_takes_one_answer_back(review: Review) -> None:
    tab = begun(review).judge(*GOOD)
    asked = [tab.heading]
    while tab.buttons_of("Back"):
        asked.append(tab.press("Back").heading)
    assert asked == QUESTIONS[::-1]
    assert review.log() == []


@pytest.mark.parametrize("side", ["safe", "unsafe"])
def test_a_caption_can_be_fixed_once_it_was_uncovered(review: Review, side: str) -> None:
    # What was undone comes back answered and covered.
    tab = begun(review).judge(*GOOD, "Accept", "Undo the last verdict", "Fix a caption")
    assert tab.texts.count("Show the text to edit it.") == 2
    tab.press("Show the text", at=("unsafe", "safe").index(side))
    (field,) = tab.app.text_area
    assert field.value == review.before("Ann").caption(side)
    field.set_value("  a cup on   a table ")
    tab.press("Save")
    row = review.log()[-1]
    assert (row["choice"], row[f"{side}_caption"]) == ("fix", "a cup on a table")


def test_a_fix_without_a_change_is_told_and_can_be_left(review: Review) -> None:
    tab = begun(review).judge(*GOOD, "Fix a caption", "Save")
    assert tab.said == ["no caption was changed; change one, or choose accept or reject"]
    assert tab.press("Choose again").heading == "What should happen to the pair?"
    assert tab.press("Accept").said == []
    assert review.log()[0]["choice"] == "accept"


def test_a_fix_that_was_left_does_not_come_back_with_another_choice(review: Review) -> None:
    tab = begun(review).judge(*GOOD, "Fix a caption")
    tab.fill(fix_unsafe="a cup").go("Choose again", "Accept")
    assert "unsafe_caption" not in review.log()[0]


def test_a_comment_goes_with_the_verdict_and_survives_a_reload(review: Review) -> None:
    tab = begun(review).press("Comment")
    tab.fill(comment="the table is missing").judge("No")
    again = tab.browser.open()
    assert again.app.text_area[0].value == "the table is missing"
    again.press("Reject")
    assert review.log()[0]["comment"] == "the table is missing"
    assert not again.app.text_area


def test_a_comment_that_was_just_typed_goes_with_the_button_that_decides(review: Review) -> None:
    tab = begun(review).judge("No", "Comment").fill(comment="a cup").press("Reject")
    assert tab.said == []
    assert review.log()[0]["comment"] == "a cup"


@pytest.mark.parametrize("label", ["Skip", "Stop for now"])
def test_a_comment_that_was_just_typed_does_not_hold_up_who_leaves(
    review: Review, label: str
) -> None:
    tab = begun(review).press("Comment").fill(comment="a cup").press(label)
    assert tab.said == []


def test_a_reload_keeps_the_pair_what_was_said_and_what_was_uncovered(review: Review) -> None:
    tab = begun(review).judge("Yes")
    before = review.before("Ann")
    again = tab.browser.open()
    assert (again.heading, review.before("Ann")) == (QUESTIONS[1], before)
    assert before.safe_caption in again.texts
    assert before.unsafe_caption.encode() not in again.sent


def test_skipping_writes_nothing_and_the_pair_does_not_come_again(review: Review) -> None:
    tab = begun(review)
    seen = [review.before("Ann").pair_id]
    while tab.press("Skip").buttons_of("Skip"):
        seen.append(review.before("Ann").pair_id)
    assert sorted(seen) == small_review.PAIRS
    assert review.log() == []


def test_undo_brings_the_last_pair_back_covered_with_its_answers(review: Review) -> None:
    tab = begun(review)
    assert not tab.buttons_of("Undo the last verdict")
    pair = review.before("Ann")
    tab.judge("Show the text", *GOOD, "Accept", "Undo the last verdict")
    assert (review.before("Ann"), tab.heading) == (pair, QUESTIONS[-1])
    assert pair.unsafe_caption.encode() not in tab.sent
    tab.press("Reject")
    assert [row["choice"] for row in review.log()] == ["accept", "reject"]
    assert [row["undoes"] for row in review.log("undo")] == [review.log()[0]["seq"]]


def test_stopping_gives_the_pair_to_others_and_asks_for_consent_again(review: Review) -> None:
    tab = begun(review, small_review.rows()[:1], overlap=1).press("Stop for now")
    assert tab.heading == "Your queue"
    other = review.browser("Bob").open().press(BEGIN)
    assert other.heading == QUESTIONS[0]
    assert tab.press(BEGIN).heading == "No pairs left for you"


def test_two_tabs_of_one_person_do_not_decide_twice(review: Review) -> None:
    one = begun(review).judge("No")
    other = one.browser.open()
    pair = review.before("Ann")
    one.press("Reject")
    other.press("Reject")
    assert other.said == ["this pair is no longer open here; you continued in another tab"]
    assert other.heading == QUESTIONS[0]
    assert [row["pair_id"] for row in review.log()] == [pair.pair_id]


def test_an_answer_of_an_old_tab_does_not_reach_the_next_pair(review: Review) -> None:
    one = begun(review)
    other = one.browser.open()
    other.press("Show the text", at=1)
    one.press("Skip")
    other.press("No")
    assert other.said == ["this pair is no longer open here; you continued in another tab"]
    assert one.run().heading == QUESTIONS[0]


def test_two_people_judge_a_pair_blind_to_each_other(review: Review) -> None:
    ann = begun(review, small_review.rows()[:1]).judge("No", "Comment")
    ann.fill(comment="seen by Ann").press("Reject")
    bob = review.browser("Bob").open().press(BEGIN)
    assert bob.heading == QUESTIONS[0]
    assert b"seen by Ann" not in bob.sent
    bob.judge(*GOOD, "Accept")
    assert [row["choice"] for row in review.log()] == ["reject", "accept"]


def test_a_broken_image_is_told_and_the_pair_can_still_be_judged(review: Review) -> None:
    rows = [{**row, "safe_image": b"no image"} for row in small_review.rows()]
    tab = begun(review, rows).press("Show the image")
    assert tab.said == [f"the safe image of pair {review.before('Ann').pair_id} cannot be decoded"]
    tab.judge("No", "Reject")
    assert len(review.log()) == 1


def test_each_key_stands_for_one_button(review: Review) -> None:
    rows = with_images(small_review.rows())
    more = [{**row, "category": f"kind {number}"} for number, row in enumerate(rows)]
    tab = begun(review, more)
    for label in [*GOOD, "Fix a caption"]:
        keys = [button.proto.shortcut for button in tab.app.button if button.proto.shortcut]
        assert len(keys) == len(set(keys))
        assert not {"c", "r"} & set(keys), "these are Streamlit's own"
        tab.judge(label)
