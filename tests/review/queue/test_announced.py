"""The next pair is announced with the token that it will have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.desks import Room, reject, see, task

from nsfwcaps.review.database import Database

MILD, SEVERE = "weapons", "violence"


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Any:
    return lambda categories, **rules: Room(database, tmp_path / "set", categories, **rules)


def test_the_announced_pair_comes_with_its_token(made: Any) -> None:
    desk = made([MILD, "smoking", MILD]).sit()
    for category in ("smoking", MILD):
        held = see(desk)
        following = task(desk.state()).next
        assert following is not None
        assert (following.category, following.severity) == (category, 1)
        desk.decide(held.token, "reject")
        # At once: what was pressed after the decision is about that pair.
        desk.uncover(following.token, "safe text")
        assert task(desk.state()).token == following.token
    assert task(desk.state()).next is None


def test_another_pair_has_another_token(made: Any) -> None:
    room = made([MILD] * 3)
    first, second = room.sit("p-ann"), room.sit("p-bob")
    following = task(first.state()).next
    assert following is not None
    assert task(second.state()).pair_id == "pair-1"  # nothing was reserved
    reject(first)
    came = task(first.state())
    assert came.pair_id == "pair-2"
    assert came.token != following.token
