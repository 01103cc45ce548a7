"""Beginning a review, and opening it again with other rules or changed data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.desks import Room, reject, write_set

from nsfwcaps.errors import ConfigError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue import filling, policy
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.opening import open_review
from nsfwcaps.review.queue.states import Finished

MILD, SEVERE = "weapons", "violence"


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Any:
    return lambda categories, **rules: Room(database, tmp_path / "set", categories, **rules)


def rejected(desk: Desk) -> list[str]:
    """Reject until nothing is left; the pairs."""
    found = []
    while not isinstance(desk.state(), Finished):
        found.append(reject(desk))
    return found


def test_opening_again_changes_nothing(made: Any) -> None:
    room = made([MILD] * 3, overlap=3)
    reject(room.sit())
    again = open_review(room.database, room.pairs)
    assert again.policy == room.opened.policy
    assert (again.queued, again.filled.added) == (3, 0)
    assert room.count(tables.verdict) == 1


def test_a_rule_that_cannot_be_begins_nothing(database: Database, tmp_path: Path) -> None:
    pairs = write_set(tmp_path, [MILD])
    with pytest.raises(ConfigError, match="overlap"):
        open_review(database, pairs, {"overlap": 0})
    with pytest.raises(ReviewError, match="contains no review"):
        Desk(database, pairs, "p-ann").consent([])
    assert open_review(database, pairs).filled.added == 1


def changed_set(room: Room, categories: list[str], first: int = 0) -> ReviewPairs:
    return write_set(room.pairs.folder, categories, first=first)


def test_a_changed_data_set_is_queued_when_asked_for(made: Any) -> None:
    room = made([MILD] * 3)
    reject(room.sit())
    pairs = changed_set(room, [SEVERE] * 3, first=1)
    with pytest.raises(ReviewError, match=r"new pairs: 1, gone: 1\); add --update"):
        open_review(room.database, pairs)
    filled = open_review(room.database, pairs, update=True).filled
    assert (filled.added, filled.gone, filled.back) == (1, 1, 0)
    room.pairs = pairs
    with room.database.read() as connection:
        rows = connection.execute(sa.select(tables.item).order_by(tables.item.c.position)).all()
        assert verdicts.verify(connection) == []
    # What was queued is as the data set says now, and new pairs come last.
    assert [(row.pair_id, row.category, row.severity, row.gone) for row in rows] == [
        ("pair-0", MILD, 1, True),
        *((f"pair-{number}", SEVERE, 3, False) for number in (1, 2, 3)),
    ]
    assert rejected(room.desk()) == ["pair-1", "pair-2", "pair-3"]
    back = changed_set(room, [MILD] * 4)
    assert open_review(room.database, back, update=True).filled.back == 1


def test_another_data_set_is_refused_whatever_is_asked(made: Any) -> None:
    room = made([MILD] * 3)
    other = changed_set(room, [MILD] * 3, first=50)
    for update in (False, True):
        with pytest.raises(ReviewError, match="reviews another data set"):
            open_review(room.database, other, update=update)
    assert room.count(tables.item) == 3


def test_rules_that_change_reach_the_queue(made: Any) -> None:
    room = made([MILD] * 2)
    opened = open_review(room.database, room.pairs, {"overlap": 3, "severity": (f"{MILD}=severe",)})
    assert opened.policy.overlap == 3
    changed = (tables.item.c.needed == 3, tables.item.c.severity == policy.SEVERE)
    assert room.count(tables.item, *changed) == 2


def test_a_fill_that_is_cut_off_leaves_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = write_set(tmp_path, [MILD] * 3)
    with monkeypatch.context() as patch:
        patch.setattr(filling, "_regrade", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            open_review(database, pairs)
    assert open_review(database, pairs).filled.added == 3
