"""What the judging page is sent, and what the server makes of what comes back.

The component itself is tried in a browser; here its messages are made by hand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from support import small_review
from tabs import Review, Tab, with_images

BEGIN = "I have read this, begin"
GOOD = {"safe_is_safe": "yes", "unsafe_is_unsafe": "yes", "category": "right", "meaning": 4}
ELSEWHERE = (
    "this pair is no longer open here; you continued in another tab, or a lead changed the pair"
)


def begun(review: Review, rows: Sequence[dict[str, Any]] | None = None, **policy: Any) -> Tab:
    return review.begin(rows, **policy).browser("Ann").open().press(BEGIN)


def given(row: dict[str, Any]) -> dict[str, Any]:
    """What was said, without what every row of the log has."""
    names = ("safe_is_safe", "unsafe_is_unsafe", "category", "meaning", "choice")
    return {name: row[name] for name in names if name in row}


def states(tab: Tab) -> dict[str, str]:
    return {what: item["state"] for what, item in tab.judging["task"]["items"].items()}


def test_captions_and_images_do_not_leave_the_server_before_they_are_uncovered(
    review: Review,
) -> None:
    tab = begun(review, with_images(small_review.rows()))
    pair = review.before("Ann")
    captions = [pair.unsafe_caption.encode(), pair.safe_caption.encode()]
    assert [caption in tab.sent for caption in captions] == [False, False]
    tab.look("safe text")
    assert [caption in tab.sent for caption in captions] == [False, True]
    assert tab.judging["pictures"] == {}
    tab.look("safe image")
    (name,) = tab.judging["pictures"]
    assert name == f"{tab.judging['task']['token']}/safe image"
    assert tab.judging["pictures"][name].startswith("data:image/png;base64,iVBOR")
    assert states(tab) == {
        "unsafe text": "covered",
        "unsafe image": "covered",
        "safe text": "shown",
        "safe image": "shown",
    }


def test_covers_name_category_and_severity_and_nothing_that_the_machine_found(
    review: Review,
) -> None:
    tab = begun(review)
    pair, task = review.before("Ann"), tab.judging["task"]
    assert (task["category"], task["severity"]) == (pair.category, "mild")
    text = json.dumps(tab.judging)
    assert f"{pair.sim_text}" not in text
    assert pair.level not in text
    assert pair.pair_id not in text
    following = tab.judging["next"]
    assert sorted(following) == ["category", "items", "severity", "token"]
    assert {item["state"] for item in following["items"].values()} == {"covered", "unknown"}


def test_a_verdict_keeps_all_answers_and_the_announced_pair_comes(review: Review) -> None:
    tab = begun(review)
    pair, following = review.before("Ann"), tab.judging["next"]
    tab.answer(**GOOD).decide("accept")
    (row,) = review.log()
    assert (row["pair_id"], row["account_id"]) == (pair.pair_id, review.id_of("Ann"))
    assert given(row) == {**GOOD, "choice": "accept"}
    assert tab.judging["task"]["token"] == following["token"]
    assert (tab.judging["judged"], tab.judging["task"]["left"]["pairs"]) == (1, 59)


def test_actions_on_the_announced_pair_may_come_in_the_same_message(review: Review) -> None:
    tab = begun(review).answer(**GOOD)
    token, following = tab.judging["task"]["token"], tab.judging["next"]["token"]
    tab.outbox += [
        {"n": 91, "do": "decide", "token": token, "choice": "accept", "values": {}},
        {"n": 92, "do": "uncover", "token": following, "what": "safe text"},
    ]
    tab.post()
    assert tab.judging["task"]["token"] == following
    assert states(tab)["safe text"] == "shown"
    assert (tab.judging["acked"], tab.judging["refused"]) == (92, None)


def test_an_action_that_comes_again_is_not_done_again(review: Review) -> None:
    tab = begun(review)
    token = tab.judging["task"]["token"]
    tab.send({"do": "skip"})
    tab.outbox.append({"n": 1, "do": "skip", "token": token})
    tab.post()
    assert tab.judging["refused"] is None
    assert tab.judging["task"]["left"]["pairs"] == 59


def test_after_a_refusal_nothing_is_done_until_the_page_has_heard_of_it(review: Review) -> None:
    tab = begun(review)
    token = tab.judging["task"]["token"]
    tab.send({"do": "answer", "values": {"safe_is_safe": "no"}}, {"do": "skip"})
    assert tab.judging["refused"] == {
        "epoch": 0,
        "n": 1,
        "message": "look at the safe side first, or skip the pair",
    }
    tab.send({"do": "skip"})
    assert tab.judging["task"]["token"] == token
    tab.outbox, tab.epoch = [], 1
    tab.send({"do": "skip"})
    assert tab.judging["task"]["token"] != token


def test_what_an_earlier_server_did_is_not_refused(review: Review) -> None:
    tab = begun(review).look("safe text")
    token = tab.judging["task"]["token"]
    sent = [
        {"n": 2, "do": "answer", "token": token, "values": {"safe_is_safe": "no"}},
        {"n": 3, "do": "decide", "token": token, "choice": "reject", "values": {}},
    ]
    tab.outbox = list(sent)
    tab.post()
    again = tab.browser.open()  # a new session, as after the server was killed
    following = again.judging["task"]["token"]
    again.client, again.again = tab.client, True
    again.outbox = [*sent, {"n": 4, "do": "skip", "token": following}]
    again.post()
    assert (again.judging["acked"], again.judging["refused"]) == (4, None)
    assert again.judging["task"]["token"] != following
    assert len(review.log()) == 1


def test_a_category_can_be_named_and_has_one_key_in_the_whole_review(review: Review) -> None:
    tab = begun(review)
    named = {one["value"]: one["command"] for one in tab.judging["categories"]}
    assert named == {"smoking": "category 6", "weapons": "category 7"}
    assert tab.judging["keys"]["6"] == ["category 6"]
    other = "smoking" if review.before("Ann").category == "weapons" else "weapons"
    tab.answer(**{**GOOD, "category": other}).decide("accept")
    assert review.log()[0]["category"] == other


def test_a_category_that_comes_later_does_not_move_the_keys(review: Review) -> None:
    from review_app.judging import categories

    review.begin()
    named = [categories.commands(review.database, names) for names in (["m", "z"], ["a", "m", "z"])]
    assert named[1] == {"m": "category 6", "z": "category 7", "a": "category 8"}
    many = categories.commands(review.database, [f"c{number}" for number in range(9)])
    assert [many[f"c{number}"] for number in (0, 5)] == ["category 9", "category P"]
    assert "c6" not in many


@pytest.mark.parametrize("side", ["safe", "unsafe"])
def test_a_fix_is_saved_as_it_was_written(review: Review, side: str) -> None:
    tab = begun(review).answer(**GOOD, choice="fix")
    tab.decide("fix", **{f"{side}_caption": "  a cup on   a table "})
    row = review.log()[-1]
    assert (row["choice"], row[f"{side}_caption"]) == ("fix", "a cup on a table")


def test_a_fix_without_a_change_is_refused(review: Review) -> None:
    tab = begun(review).answer(**GOOD, choice="fix").decide("fix")
    told = "no caption was changed; change one, or choose accept or reject"
    assert tab.judging["refused"]["message"] == told


def test_a_verdict_holds_what_was_shown_and_not_what_was_kept_before(review: Review) -> None:
    tab = begun(review).answer(**GOOD)
    tab.send({"do": "draft", "values": {"comment": "no", "unsafe_caption": "a cup"}})
    tab.decide("reject", **GOOD, comment=None, unsafe_caption=None)
    assert {"comment", "unsafe_caption"}.isdisjoint(review.log()[0])


def test_a_comment_survives_a_reload_and_goes_with_the_verdict(review: Review) -> None:
    tab = begun(review).send({"do": "draft", "values": {"comment": "the table is missing"}})
    again = tab.browser.open()
    assert again.judging["task"]["answers"] == {"comment": "the table is missing"}
    again.reject()
    assert review.log()[0]["comment"] == "the table is missing"


def test_a_reload_keeps_the_pair_what_was_said_and_what_was_uncovered(review: Review) -> None:
    tab = begun(review).look("safe text")
    tab.send({"do": "answer", "values": {"safe_is_safe": "yes"}})
    before = review.before("Ann")
    again = tab.browser.open()
    assert again.judging["task"]["answers"] == {"safe_is_safe": "yes"}
    assert again.judging["task"]["items"]["safe text"]["text"] == before.safe_caption
    assert before.unsafe_caption.encode() not in again.sent


def test_skipping_writes_nothing_and_the_pair_does_not_come_again(review: Review) -> None:
    tab = begun(review)
    seen = []
    while tab.judging:
        seen.append(review.before("Ann").pair_id)
        tab.send({"do": "skip"})
    assert sorted(seen) == small_review.PAIRS
    assert review.log() == []


@pytest.mark.parametrize("kind", ["verdict", "skip", "stop"])
def test_undo_brings_the_pair_back_with_its_answers(review: Review, kind: str) -> None:
    tab = begun(review)
    assert tab.judging["undoable"] is None
    tab.answer(**GOOD)
    pair, token = review.before("Ann"), tab.judging["task"]["token"]
    sent = {"verdict": {"do": "decide", "choice": "accept", "values": {}}}.get(kind, {"do": kind})
    tab.send(sent)
    if kind == "stop":
        tab.press("Continue the session")
    else:
        assert tab.judging["undoable"] == {"kind": kind, "token": token}
        tab.send({"do": "undo"}, token=token)
    assert review.before("Ann") == pair
    assert tab.judging["task"]["answers"] == GOOD
    assert pair.unsafe_caption.encode() not in tab.sent


def test_a_category_can_be_left_out_while_a_pair_of_it_is_open(review: Review) -> None:
    tab = begun(review)
    category = tab.judging["task"]["category"]
    tab.send({"do": "leave_out", "category": category})
    seen = set()
    while tab.judging:
        seen.add(tab.judging["task"]["category"])
        tab.send({"do": "skip"})
    assert seen == {"smoking", "weapons"} - {category}


def test_a_flag_for_the_lead_goes_with_the_verdict(review: Review) -> None:
    tab = begun(review).send({"do": "answer", "values": {"ask_lead": True}})
    assert tab.judging["task"]["answers"] == {"ask_lead": True}
    tab.reject()
    assert review.log()[0]["ask_lead"] is True


def test_two_tabs_of_one_person_do_not_decide_twice(review: Review) -> None:
    one = begun(review)
    other = one.browser.open()
    pair = review.before("Ann")
    one.reject()
    other.decide("reject", safe_is_safe="no")
    assert other.judging["refused"]["message"] == ELSEWHERE
    assert other.judging["task"]["token"] == one.judging["task"]["token"]
    assert [row["pair_id"] for row in review.log()] == [pair.pair_id]


def test_an_answer_of_an_old_tab_does_not_reach_the_next_pair(review: Review) -> None:
    one = begun(review)
    other = one.browser.open().look("safe text")
    one.send({"do": "skip"})
    other.send({"do": "answer", "values": {"safe_is_safe": "no"}})
    assert other.judging["refused"]["message"] == ELSEWHERE
    assert one.run().judging["task"]["answers"] == {}


def test_two_people_judge_a_pair_blind_to_each_other(review: Review) -> None:
    ann = begun(review, small_review.rows()[:1])
    ann.send({"do": "draft", "values": {"comment": "seen by Ann"}}).reject()
    bob = review.browser("Bob").open().press(BEGIN)
    assert bob.judging["task"]["answers"] == {}
    assert b"seen by Ann" not in bob.sent
    bob.answer(**GOOD).decide("accept")
    assert [row["choice"] for row in review.log()] == ["reject", "accept"]


def test_a_broken_image_is_not_looked_at_and_the_pair_can_still_be_judged(review: Review) -> None:
    rows = [{**row, "safe_image": b"no image"} for row in small_review.rows()]
    tab = begun(review, rows).look("safe image")
    assert states(tab)["safe image"] == "broken"
    assert tab.judging["task"]["left"]["reveals"] == 150
    tab.send({"do": "answer", "values": {"safe_is_safe": "no"}})
    assert tab.judging["refused"]["message"] == "look at the safe side first, or skip the pair"
    tab.outbox, tab.epoch = [], 1
    tab.reject()
    assert len(review.log()) == 1


def test_an_image_that_the_browser_cannot_show_counts_as_covered(review: Review) -> None:
    tab = begun(review, with_images(small_review.rows())).look("safe image")
    tab.send({"do": "broken", "what": "safe image"})
    assert states(tab)["safe image"] == "broken"
    tab.send({"do": "answer", "values": {"safe_is_safe": "no"}})
    assert tab.judging["refused"]["message"] == "look at the safe side first, or skip the pair"


def test_what_was_pressed_when_a_cap_ended_the_session_is_said_to_be_lost(review: Review) -> None:
    tab = begun(review, pairs_per_session=1).look("safe text")
    token, following = tab.judging["task"]["token"], tab.judging["next"]
    assert following is None  # no pair comes after the last one
    tab.outbox += [
        {"n": 91, "do": "skip", "token": token},
        {"n": 92, "do": "uncover", "token": "a guess", "what": "safe text"},
    ]
    tab.post()
    assert tab.heading == "Time for a break"
    assert tab.said == ["no pair is open now; what was pressed after the last one was not saved"]
    assert tab.press("Undo the last skip").judging["task"]["token"] != token  # the pair again


@pytest.mark.parametrize(
    "message",
    [
        None,
        "words",
        {"client": "x"},
        {"client": "x", "epoch": 0, "actions": [{"n": 1}], "have": []},
        {"client": "x", "epoch": 0, "actions": {}, "have": []},
    ],
)
def test_a_message_that_is_not_one_does_nothing(review: Review, message: Any) -> None:
    from review_app.judging.messages import Heard, hear

    begun(review)
    heard = Heard()
    hear(review.desk("Ann"), heard, message)
    assert (heard.client, heard.applied, heard.refused) == ("", 0, None)


@pytest.mark.parametrize(
    "action",
    [
        {"do": "dance"},
        {"do": "uncover", "what": 3},
        {"do": "answer", "values": {"pair_id": "pair-1"}},
        {"do": "answer", "values": {"meaning": [4]}},
        {"do": "draft", "values": {"choice": "accept"}},
        {"do": "decide", "choice": "maybe", "values": {}},
        {"do": "leave_out", "category": "no such category"},
    ],
)
def test_actions_that_make_no_sense_are_refused(review: Review, action: dict[str, Any]) -> None:
    tab = begun(review).send(action)
    assert tab.judging["refused"]["n"] == 1
    assert review.log() == []
