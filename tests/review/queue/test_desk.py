"""The desk: nothing is lost by a reload, nothing counted twice from two tabs, and a way back."""

from __future__ import annotations

import random
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support import small_review
from support.desks import LEAD, PEOPLE, Room, accept, reject, see, task, write_set

from nsfwcaps.errors import InputError, NsfwcapsError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import answers as answering
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.log.verdicts import AlreadyDecidedError, VerdictKind
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.states import Consent, Finished

CAPTION = "a handgun on table 0"


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Any:
    return lambda count=6, **rules: Room(database, tmp_path / "set", ["weapons"] * count, **rules)


def log(room: Room) -> list[verdicts.Link]:
    with room.database.read() as connection:
        assert verdicts.verify(connection) == []
        return [link for link in verdicts.links(connection) if link.pair_id]


def test_a_verdict_holds_what_was_said(made: Any) -> None:
    room = made()
    desk = room.sit()
    found = see(desk)
    desk.answer(found.token, safe_is_safe="yes", unsafe_is_unsafe="yes")
    desk.answer(found.token, category="fire", meaning=2)
    fixed = {"safe_caption": " a cup  on table 0", "comment": "colour"}
    seq = desk.decide(found.token, Choice.FIX, **fixed)
    (link,) = log(room)
    assert (link.seq, link.account_id, link.pair_id) == (seq, "p-ann", found.pair_id)
    said = small_review.accept(category="fire", meaning=2, choice=Choice.FIX, comment="colour")
    assert verdicts.read_answers(link.body) == replace(said, safe_caption="a cup on table 0")


def test_a_reload_keeps_everything(made: Any, address: str) -> None:
    room = made()
    desk = room.sit()
    accept(desk)
    found = see(desk)
    desk.answer(found.token, safe_is_safe="unsure")
    before = desk.state()
    again = Database(address)
    after = Desk(again, ReviewPairs(room.pairs.folder), "p-ann", lambda: room.now).state()
    again.close()
    assert after == before
    assert task(after).answers.safe_is_safe == "unsure"
    assert task(after).uncovered == {"safe text", "unsafe text"}
    assert task(after).judged == 1


def test_an_answer_can_be_taken_back(made: Any) -> None:
    desk = made().sit()
    token = see(desk).token
    desk.answer(token, safe_is_safe="no", comment="blurred")
    desk.answer(token, safe_is_safe=None)
    assert task(desk.state()).answers == answering.Answers(comment="blurred")


@pytest.mark.parametrize(
    ("seen", "name", "value", "unseen"),
    [
        ([], "safe_is_safe", "yes", "the safe side"),
        (["unsafe text"], "safe_is_safe", "yes", "the safe side"),
        (["safe text"], "unsafe_is_unsafe", "no", "the unsafe side"),
        (["safe text"], "category", "right", "the unsafe side"),
        (["safe text"], "meaning", 3, "the unsafe side"),
        ([], "meaning", 3, "the safe and the unsafe side"),
    ],
)
def test_what_was_not_looked_at_is_not_answered(
    made: Any, seen: list[str], name: str, value: object, unseen: str
) -> None:
    desk = made().sit()
    token = task(desk.state()).token
    for what in seen:
        desk.uncover(token, what)
    with pytest.raises(InputError, match=f"look at {unseen} first"):
        desk.answer(token, **{name: value})
    assert task(desk.state()).answers == answering.Answers()


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda desk, token: desk.uncover(token, "both texts"), "cannot uncover"),
        (lambda desk, token: desk.uncover(token, "safe image"), "has no safe image"),
        (lambda desk, token: desk.answer(token, meaning=9), "meaning must be"),
        (lambda desk, token: desk.answer(token, mood="good"), "unknown answers"),
        (lambda desk, token: desk.decide(token, Choice.ACCEPT), "answer every question"),
        (lambda desk, token: desk.decide(token, Choice.FIX), "answer every question"),
        (lambda desk, token: desk.decide(token, "burn"), "choice must be"),
    ],
)
def test_what_cannot_be_leaves_everything_as_it_was(made: Any, call: Any, why: str) -> None:
    room = made()
    desk = room.sit()
    before = task(desk.state())
    with pytest.raises(InputError, match=why) as failed:
        call(desk, before.token)
    assert CAPTION not in str(failed.value)
    assert desk.state() == before
    assert room.count(tables.dose) == 1  # consent


def test_a_second_tab_does_not_decide_twice(made: Any) -> None:
    room = made()
    one, two = room.sit(), room.desk()
    here, there = task(one.state()), task(two.state())
    assert here == there
    one.decide(here.token, Choice.REJECT)
    for action in (
        lambda: two.decide(there.token, Choice.REJECT),
        lambda: two.skip(there.token),
        lambda: two.answer(there.token, safe_is_safe="no"),
        lambda: two.uncover(there.token, "safe text"),
    ):
        with pytest.raises(ReviewError, match="no longer open here"):
            action()
    assert len(log(room)) == 1
    assert task(two.state()).pair_id != there.pair_id


def test_two_tabs_with_calls_in_any_order(made: Any) -> None:
    room = made(40, minutes_per_session=1_000.0)
    chance = random.Random(1)
    room.sit()
    tabs = [room.desk(), room.desk()]
    seen: list[Any] = [None, None]
    for _ in range(400):
        tab = chance.randrange(2)
        desk, state = tabs[tab], seen[tab]
        calls = {
            "state": desk.state,
            "decide": lambda desk=desk, state=state: desk.decide(state.token, Choice.REJECT),
            "skip": lambda desk=desk, state=state: desk.skip(state.token),
            "undo": desk.undo,
        }
        name = chance.choices(list(calls), weights=[6, 6, 1, 1])[0]
        try:
            result = calls[name]()
        except (NsfwcapsError, AttributeError):  # an old token; or no pair, so no token
            continue
        seen[tab] = result if name == "state" else state
    links = log(room)
    judged = [link.pair_id for link in links if link.kind == VerdictKind.JUDGE]
    undone = [link.pair_id for link in links if link.kind == VerdictKind.UNDO]
    assert min(len(judged), len(undone)) > 10
    for pair_id in room.pairs.ids:
        assert judged.count(pair_id) - undone.count(pair_id) in (0, 1)


def test_nobody_decides_twice_on_a_pair(made: Any) -> None:
    room = made()
    reject(room.sit())
    again = pytest.raises(AlreadyDecidedError, match="already decided on pair pair-0")
    said = answering.Answers(choice=Choice.REJECT)
    with again, room.database.write() as connection:
        verdicts.judge(connection, "p-ann", "pair-0", said, room.now)
    assert len(log(room)) == 1


def test_undo_brings_back_the_answers(made: Any) -> None:
    room = made()
    desk = room.sit()
    accept(desk)
    before = task(desk.state())
    assert desk.undo() == "pair-0"
    again = task(desk.state())
    assert (again.pair_id, again.judged, again.undoable) == ("pair-0", 0, None)
    assert again.answers == small_review.accept(choice=None)
    assert again.uncovered == frozenset()
    desk.decide(again.token, Choice.ACCEPT)
    assert task(desk.state()).pair_id == before.pair_id
    assert [link.kind for link in log(room)] == ["judge", "undo", "judge"]
    assert room.count(tables.item, tables.item.c.decided == 1) == 1


def test_answers_on_the_pair_that_undo_puts_down_wait_for_it(made: Any) -> None:
    room = made()
    desk = room.sit()
    first = reject(desk)
    second = see(desk)
    desk.answer(second.token, safe_is_safe="unsure", comment="colour")
    assert desk.undo() == first
    assert room.count(tables.put_down) == 1
    assert reject(desk) == first
    again = task(desk.state())
    assert (again.pair_id, again.uncovered) == (second.pair_id, frozenset())
    assert (again.answers.safe_is_safe, again.answers.comment) == ("unsure", "colour")
    assert room.count(tables.put_down) == 0


def test_undo_goes_back_step_by_step_and_not_into_earlier_sessions(made: Any) -> None:
    room = made(break_minutes=0.0)
    desk = room.sit()
    first = reject(desk)
    desk.stop()
    room.minutes(1)
    desk.consent()
    assert task(desk.state()).undoable is None
    made_now = [reject(desk), reject(desk)]
    assert [desk.undo(), desk.undo()] == made_now[::-1]
    with pytest.raises(ReviewError, match="nothing to undo in this session"):
        desk.undo()
    assert room.count(tables.decision, tables.decision.c.pair_id == first) == 1


def test_a_skip_is_undone_before_the_verdict_before_it(made: Any) -> None:
    room = made()
    desk = room.sit()
    decided = reject(desk)
    skipped = task(desk.state())
    desk.answer(skipped.token, comment="blurred")
    desk.skip(skipped.token)
    assert desk.undo() == skipped.pair_id
    again = task(desk.state())
    assert (again.pair_id, again.answers.comment) == (skipped.pair_id, "blurred")
    assert room.count(tables.skip) == 0
    assert desk.undo() == decided
    assert task(desk.state()).pair_id == decided


def test_undo_after_a_lead_has_settled_is_refused(made: Any) -> None:
    room = made()
    desk = room.sit()
    pair_id = reject(desk)
    with room.database.write() as connection:
        body = answering.Answers(choice=Choice.REJECT).text()
        seq = verdicts.append(
            connection,
            VerdictKind.SETTLE,
            account_id=LEAD,
            pair_id=pair_id,
            body=body,
            now=room.now,
        )
        item = tables.item
        connection.execute(sa.update(item).where(item.c.pair_id == pair_id).values(settled=seq))
    with pytest.raises(ReviewError, match=f"{pair_id} has been settled by a lead"):
        desk.undo()
    assert [link.kind for link in log(room)] == ["judge", "settle"]


def test_undo_gives_a_place_back(made: Any) -> None:
    room = made(1)
    first, second = room.sit("p-ann"), room.sit("p-bob")
    reject(first)
    assert second.state() == Finished(held_by_others=False)
    first.undo()
    assert second.state() == Finished(held_by_others=True)
    first.stop()
    assert task(second.state()).pair_id == "pair-0"


def test_a_data_set_that_changes_under_the_review(made: Any) -> None:
    room = made(3)
    desk = room.sit()
    reject(desk)
    held = task(desk.state())
    write_set(room.pairs.folder, ["weapons"] * 2, first=1)
    with pytest.raises(ReviewError, match="again: it says whether --update is needed"):
        desk.state()
    # What somebody has before them they may still decide on: its captions are those they saw.
    desk.decide(held.token, Choice.REJECT)
    assert len(log(room)) == 2


def test_a_process_with_the_old_data_set_shows_nothing(made: Any) -> None:
    from nsfwcaps.review.queue.opening import open_review

    room = made(3)
    desk = room.sit()
    old = room.pairs
    new = write_set(room.pairs.folder, ["weapons"] * 4)
    open_review(room.database, new, update=True)
    assert not old.is_unchanged()
    with pytest.raises(ReviewError, match="the data set has changed"):
        desk.state()
    assert task(Desk(room.database, new, "p-ann", lambda: room.now).state()).pair_id == "pair-0"


def test_a_pair_that_is_gone_is_no_more_before_anybody(made: Any) -> None:
    from nsfwcaps.review.queue.opening import open_review

    room = made(2)
    desk = room.sit()
    assert see(desk).pair_id == "pair-0"
    room.pairs = write_set(room.pairs.folder, ["weapons"], first=1)
    open_review(room.database, room.pairs, update=True)
    assert task(room.desk().state()).pair_id == "pair-1"


def test_nobody_sees_what_others_said(made: Any) -> None:
    room = made(2, overlap=3)
    for who in PEOPLE[1:3]:
        desk = room.sit(who)
        found = see(desk)
        desk.answer(found.token, safe_is_safe="no", comment="a word of somebody else")
        desk.decide(found.token, Choice.REJECT)
        held = task(desk.state())
        desk.answer(held.token, comment="a word of somebody else")
    desk = room.sit("p-ann")
    for _ in range(2):
        state = task(desk.state())
        assert "somebody else" not in repr(state)
        assert (state.answers, state.uncovered, state.judged) == (
            *(answering.Answers(), frozenset()),
            room.count(tables.decision, tables.decision.c.account_id == "p-ann"),
        )
        assert not any(other in repr(astuple(state)) for other in PEOPLE[1:])
        reject(desk)


def test_stopping_gives_the_pair_to_others(made: Any) -> None:
    room = made(1)
    first, second = room.sit("p-ann"), room.sit("p-bob")
    token = task(first.state()).token
    first.stop()
    with pytest.raises(ReviewError, match="session has ended"):
        first.decide(token, Choice.REJECT)
    reject(second)
    assert isinstance(first.state(), Consent)
