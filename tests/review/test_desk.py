"""The desk: a way through a pair, and what does not get lost or counted twice on it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from desks import RULES, Room, accept, reject, rest, see, task, write_set

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review import tables, verdicts
from nsfwcaps.review.adjudication import settle
from nsfwcaps.review.answers import Answers, Choice
from nsfwcaps.review.database import Database
from nsfwcaps.review.desk import Consent, Desk, Finished
from nsfwcaps.review.open import open_review
from nsfwcaps.review.pairs import PairSet
from nsfwcaps.review.verdicts import AlreadyDecidedError

MIXED = ("smoking", "weapons", "smoking", "weapons", "fire", "fire")


@pytest.fixture
def room(database: Database, tmp_path: Path) -> Room:
    return Room(database, tmp_path / "set", MIXED, overlap=2)


def intact(room: Room) -> None:
    with room.database.read() as connection:
        assert verdicts.verify(connection) == []


def test_nothing_is_shown_before_consent(room: Room) -> None:
    state = room.desk().state()
    assert isinstance(state, Consent)
    assert state.histogram == [("fire", 1, 2), ("smoking", 1, 2), ("weapons", 1, 2)]
    assert (state.opted_out, state.left.pairs) == ([], 60)
    assert room.count(tables.reservation) == 0


def test_categories_that_somebody_opts_out_of_do_not_come(room: Room) -> None:
    desk = room.sit(opted_out=["smoking", "fire"])
    assert [accept(desk), accept(desk)] == ["pair-1", "pair-3"]
    assert desk.state() == Finished(held_by_others=False)
    desk.stop()
    room.minutes(5)
    state = desk.state()
    assert isinstance(state, Consent)
    assert (state.opted_out, state.histogram) == (["fire", "smoking"], [])
    desk.consent([])
    assert accept(desk) == "pair-0"


def test_a_pair_that_is_held_goes_when_its_category_is_left_out(room: Room) -> None:
    desk = room.sit()
    assert task(desk.state()).pair_id == "pair-0"
    desk.consent(["smoking"])
    assert task(desk.state()).pair_id == "pair-1"


def test_a_reload_finds_everything_as_it_was(room: Room) -> None:
    desk = room.sit()
    found = see(desk)
    desk.answer(found.token, safe_is_safe="yes", comment="a note")
    again = task(room.desk().state())
    assert (again.pair_id, again.token) == (found.pair_id, found.token)
    assert again.answers == Answers(safe_is_safe="yes", comment="a note")
    assert again.uncovered == {"safe text", "unsafe text"}
    assert again.left.reveals == found.left.reveals - 2


def test_another_process_finds_everything_as_it_was(room: Room, address: str) -> None:
    found = see(room.sit())
    other = Database(address)
    again = task(Desk(other, room.pairs, "p-ann", lambda: room.now).state())
    other.close()
    assert (again.token, again.uncovered) == (found.token, {"safe text", "unsafe text"})


def test_an_answer_is_taken_back(room: Room) -> None:
    desk = room.sit()
    token = task(desk.state()).token
    desk.answer(token, safe_is_safe="no")
    desk.answer(token, safe_is_safe=None)
    assert task(desk.state()).answers == Answers()


@pytest.mark.parametrize("given", [{"safe_is_safe": "maybe"}, {"meaning": 9}, {"mood": "fine"}])
def test_what_is_no_answer_changes_nothing(room: Room, given: dict[str, Any]) -> None:
    desk = room.sit()
    token = task(desk.state()).token
    desk.answer(token, safe_is_safe="yes")
    with pytest.raises(InputError):
        desk.answer(token, **given)
    assert task(desk.state()).answers == Answers(safe_is_safe="yes")


@pytest.mark.parametrize(
    "what", ["text", "safe", "safe smell", "both text", "safe text ", "safe image"]
)
def test_what_cannot_be_uncovered(room: Room, what: str) -> None:
    desk = room.sit()
    token = task(desk.state()).token
    with pytest.raises(InputError):
        desk.uncover(token, what)
    assert task(desk.state()).uncovered == frozenset()


def test_uncovering_twice_counts_once(room: Room) -> None:
    desk = room.sit()
    found = task(desk.state())
    for _ in range(2):
        desk.uncover(found.token, "safe text")
    assert task(desk.state()).left.reveals == found.left.reveals - 1
    assert room.count(tables.dose, tables.dose.c.event == "text uncovered") == 1


def test_a_verdict_that_does_not_fit_is_not_kept(room: Room) -> None:
    desk = room.sit()
    token = task(desk.state()).token
    with pytest.raises(InputError, match="answer every question"):
        desk.decide(token, Choice.ACCEPT)
    assert task(desk.state()).token == token
    assert room.count(tables.verdict) == 0


def test_the_caption_that_is_fixed_is_kept_in_the_log(room: Room) -> None:
    desk = room.sit()
    token = see(desk).token
    desk.answer(
        token, safe_is_safe="yes", unsafe_is_unsafe="yes", category="right", meaning=3,
        safe_caption="a vase",
    )  # fmt: skip
    desk.decide(token, Choice.FIX, comment="  shorter ")
    with room.database.read() as connection:
        [link] = verdicts.links(connection)
    kept = verdicts.read_answers(link.body)
    assert (kept.safe_caption, kept.comment, kept.choice) == ("a vase", "shorter", Choice.FIX)


def test_an_old_token_does_nothing(room: Room) -> None:
    desk, second_tab = room.sit(), room.desk()
    old = task(second_tab.state()).token
    accept(desk)
    before = task(desk.state())
    for action in (
        lambda: second_tab.decide(old, Choice.REJECT),
        lambda: second_tab.skip(old),
        lambda: second_tab.answer(old, safe_is_safe="no"),
        lambda: second_tab.uncover(old, "safe text"),
    ):
        with pytest.raises(ReviewError, match="no longer before you"):
            action()
    assert task(desk.state()) == before
    assert room.count(tables.verdict) == 1


def test_two_tabs_at_once_decide_once(room: Room) -> None:
    room.sit()
    token = task(room.desk().state()).token
    gate = threading.Barrier(4)
    said: list[str] = []

    def decide() -> None:
        desk = room.desk()
        gate.wait()
        try:
            said.append(f"row {desk.decide(token, Choice.REJECT)}")
        except ReviewError:
            said.append("refused")

    threads = [threading.Thread(target=decide) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["refused", "refused", "refused", "row 1"]
    intact(room)


def test_many_desks_of_one_person_never_decide_twice(room: Room) -> None:
    room.sit()

    def work() -> None:
        desk = room.desk()
        while not isinstance(state := desk.state(), Finished):
            try:
                desk.decide(task(state).token, Choice.REJECT)
            except ReviewError:
                continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert room.count(tables.verdict) == room.count(tables.decision) == len(MIXED)
    intact(room)


def test_a_pair_that_is_decided_is_not_decided_by_force(room: Room) -> None:
    desk = room.sit()
    pair_id = accept(desk)
    said = Answers(choice=Choice.REJECT)
    with pytest.raises(AlreadyDecidedError), room.database.write() as connection:
        verdicts.judge(connection, "p-ann", pair_id, said, room.now)
    assert room.count(tables.verdict) == 1


def test_undo_brings_the_pair_back_with_its_answers(room: Room) -> None:
    desk = room.sit()
    assert not task(desk.state()).can_undo
    pair_id = accept(desk)
    assert task(desk.state()).can_undo
    assert desk.undo() == pair_id
    again = task(desk.state())
    assert again.pair_id == pair_id
    assert again.answers == Answers(
        safe_is_safe="yes", unsafe_is_unsafe="yes", category="right", meaning=4
    )
    assert (again.judged, again.left.pairs, again.can_undo) == (0, 60, False)
    desk.decide(again.token, Choice.REJECT)
    with room.database.read() as connection:
        assert [link.kind for link in verdicts.links(connection)] == ["judge", "undo", "judge"]
        item = tables.item
        of = sa.select(item.c.decided).where(item.c.pair_id == pair_id)
        assert connection.scalar(of) == 1
    intact(room)


def test_undo_goes_back_one_verdict_after_another(room: Room) -> None:
    desk = room.sit()
    first, second = accept(desk), accept(desk)
    assert [desk.undo(), desk.undo()] == [second, first]
    with pytest.raises(ReviewError, match="nothing to undo"):
        desk.undo()
    intact(room)


def test_nobody_undoes_what_another_person_said(room: Room) -> None:
    ann, bob = room.sit(), room.sit("p-bob")
    accept(ann)
    with pytest.raises(ReviewError, match="nothing to undo"):
        bob.undo()


def test_undo_ends_with_the_session(room: Room) -> None:
    desk = room.sit()
    accept(desk)
    desk.stop()
    with pytest.raises(ReviewError, match="the session has ended"):
        desk.undo()
    room.minutes(5)
    desk.consent()
    assert not task(desk.state()).can_undo
    with pytest.raises(ReviewError, match="nothing to undo in this session"):
        desk.undo()


def test_what_a_lead_settled_is_not_undone(room: Room) -> None:
    desk = room.sit()
    pair_id = accept(desk)
    room.run("UPDATE account SET role = 'lead' WHERE account_id = 'p-dee'")
    with room.database.write() as connection:
        settle(connection, "p-dee", pair_id, Answers(choice=Choice.REJECT), room.now)
    with pytest.raises(ReviewError, match="settled by a lead"):
        desk.undo()
    intact(room)


def test_a_skipped_pair_goes_to_others_alone(room: Room) -> None:
    ann, bob = room.sit(), room.sit("p-bob")
    ann.skip(task(ann.state()).token)
    seen = []
    while not isinstance(ann.state(), Finished):
        seen.append(accept(ann))
    assert seen == [f"pair-{number}" for number in range(1, 6)]
    assert task(bob.state()).pair_id == "pair-0"
    assert room.count(tables.verdict, tables.verdict.c.pair_id == "pair-0") == 0


def test_each_pair_goes_to_as_many_as_the_rules_say(room: Room) -> None:
    desks = [room.sit(name) for name in ("p-ann", "p-bob", "p-cy")]
    assert [task(desk.state()).pair_id for desk in desks] == ["pair-0", "pair-0", "pair-1"]
    counts = 0
    while any(not isinstance(desk.state(), Finished) for desk in desks):
        for desk in desks:
            if not isinstance(desk.state(), Finished):
                counts += bool(reject(desk))
    assert counts == 2 * len(MIXED)
    assert room.count(tables.item, tables.item.c.decided != 2) == 0
    intact(room)


def test_a_pair_whose_time_is_over_goes_to_somebody_else(
    database: Database, tmp_path: Path
) -> None:
    room = Room(database, tmp_path / "set", ["smoking"], overlap=1)
    ann, bob = room.sit(), room.sit("p-bob")
    token = task(ann.state()).token
    assert bob.state() == Finished(held_by_others=True)
    room.minutes(20)
    found = task(bob.state())
    for action in (
        lambda: ann.decide(token, Choice.REJECT),
        lambda: ann.answer(token, safe_is_safe="no"),
        lambda: ann.uncover(token, "safe text"),
    ):
        with pytest.raises(ReviewError, match="went to somebody else"):
            action()
    bob.decide(found.token, Choice.REJECT)
    assert ann.state() == Finished(held_by_others=False)
    intact(room)


def test_a_pair_whose_time_is_over_is_decided_if_nobody_took_it(room: Room) -> None:
    desk = room.sit()
    token = task(desk.state()).token
    room.minutes(21)
    assert desk.decide(token, Choice.REJECT) == 1
    intact(room)


def test_a_session_that_ended_keeps_nothing_more(room: Room) -> None:
    desk = room.sit()
    token = task(desk.state()).token
    desk.stop()
    with pytest.raises(ReviewError, match="the session has ended"):
        desk.decide(token, Choice.REJECT)
    room.sit("p-bob")
    assert room.count(tables.reservation) == 0


def test_a_data_set_that_changed_shows_nothing_and_loses_nothing(
    room: Room, tmp_path: Path
) -> None:
    desk = room.sit()
    first = accept(desk)
    token = task(desk.state()).token
    more = write_set(tmp_path / "set", [*MIXED[:4], "weapons", "weapons", "smoking"])
    for _ in range(2):
        with pytest.raises(ReviewError, match="--update"):
            desk.state()
    assert desk.decide(token, Choice.REJECT) == 2
    with pytest.raises(ReviewError, match="1 pairs are new, 0 are gone"):
        open_review(room.database, more)
    filled = open_review(room.database, more, update=True).filled
    assert (filled.added, filled.gone, filled.back) == (1, 0, 0)
    again = Desk(room.database, more, "p-ann", lambda: room.now)
    seen = []
    while not isinstance(again.state(), Finished):
        seen.append((task(again.state()).category, reject(again)))
    assert first == "pair-0"
    assert seen == [
        ("smoking", "pair-2"),
        ("weapons", "pair-3"),
        ("weapons", "pair-4"),  # as the data set has it now
        ("weapons", "pair-5"),
        ("smoking", "pair-6"),
    ]
    intact(room)


def test_a_pair_that_is_gone_waits_until_it_is_back(room: Room, tmp_path: Path) -> None:
    whole = tmp_path / "set" / "data" / "train-00000-of-00001.parquet"
    before = whole.read_bytes()
    less = write_set(tmp_path / "set", MIXED[1:], first=1)
    assert open_review(room.database, less, update=True).filled.gone == 1
    desk = Desk(room.database, less, "p-ann", lambda: room.now)
    desk.consent()
    assert task(desk.state()).pair_id == "pair-1"
    whole.write_bytes(before)
    again = PairSet(tmp_path / "set")
    assert open_review(room.database, again, update=True).filled.back == 1
    desk = Desk(room.database, again, "p-bob", lambda: room.now)
    desk.consent()
    assert task(desk.state()).pair_id == "pair-0"


def test_a_review_of_another_data_set_is_refused(room: Room, tmp_path: Path) -> None:
    other = write_set(tmp_path / "other", MIXED, first=100)
    for update in (False, True):
        with pytest.raises(ReviewError, match="the review of another data set"):
            open_review(room.database, other, update=update)


def test_rules_that_change_hold_at_once(room: Room) -> None:
    desk = room.sit()
    accept(desk)
    opened = open_review(room.database, room.pairs, {"overlap": 1, "severity": ("fire=severe",)})
    assert (opened.policy.overlap, opened.policy.pairs_per_day) == (1, 200)
    assert opened.policy.gold_share == RULES["gold_share"]
    assert task(room.sit("p-bob").state()).pair_id == "pair-1"
    assert room.count(tables.item, tables.item.c.severity == 3) == 2


class TestSevere:
    @pytest.fixture
    def room(self, database: Database, tmp_path: Path) -> Room:
        categories = ["violence", "violence", "smoking", "violence"]
        return Room(database, tmp_path / "set", categories, overlap=1)

    def test_two_do_not_come_in_a_row(self, room: Room) -> None:
        desk = room.sit()
        assert [accept(desk), accept(desk), accept(desk)] == ["pair-0", "pair-2", "pair-1"]

    def test_where_only_severe_ones_are_left_a_pause_comes(self, room: Room) -> None:
        desk = room.sit(opted_out=["smoking"])
        assert accept(desk) == "pair-0"
        waiting = rest(desk.state())
        assert (waiting.until, "severe" in waiting.why) == (room.now + 300, True)
        assert room.count(tables.reservation) == 0
        room.minutes(5)
        assert accept(desk) == "pair-1"

    def test_a_pause_is_no_reason_for_a_severe_one_while_others_are_left(self, room: Room) -> None:
        desk = room.sit()
        accept(desk)
        room.minutes(6)
        assert task(desk.state()).pair_id == "pair-2"

    def test_without_breaks_either(self, database: Database, tmp_path: Path, room: Room) -> None:
        open_review(room.database, room.pairs, {"break_minutes": 0.0})
        desk = room.sit()
        accept(desk)
        assert task(desk.state()).pair_id == "pair-2"
        desk.stop()
        desk.consent()
        assert task(desk.state()).pair_id == "pair-2", "a new session is no way around it"

    def test_leaving_one_unseen_is_no_pause(self, room: Room) -> None:
        desk = room.sit()
        accept(desk)
        desk.skip(task(desk.state()).token)
        assert "severe" in rest(desk.state()).why

    def test_one_that_was_not_seen_does_not_count(self, room: Room) -> None:
        desk = room.sit()
        desk.skip(task(desk.state()).token)
        assert task(desk.state()).pair_id == "pair-1"

    def test_one_that_was_undone_counts(self, room: Room) -> None:
        desk = room.sit()
        accept(desk)
        desk.undo()
        found = task(desk.state())
        assert found.pair_id == "pair-0"
        desk.decide(found.token, Choice.REJECT)
        assert task(desk.state()).pair_id == "pair-2"
