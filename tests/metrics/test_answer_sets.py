"""Sets of rows: what goes in comes out, once and in order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.metrics.answer_sets import sets_of

MEMBERS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=40)


@given(members=MEMBERS)
def test_each_set_holds_its_rows(members: list[tuple[int, int]]) -> None:
    owners = np.array([owner for owner, _ in members], dtype=np.int64)
    rows = np.array([row for _, row in members], dtype=np.int64)
    made = sets_of(owners, rows, count=6)
    assert len(made) == 6
    for which in range(6):
        assert made[which].tolist() == sorted({row for owner, row in members if owner == which})
    assert made.owners.tolist() == sorted(owner for owner, _ in set(members))


@given(members=MEMBERS, start=st.integers(0, 6), length=st.integers(0, 6))
def test_some_sets_of_many(members: list[tuple[int, int]], start: int, length: int) -> None:
    owners, rows = np.array(members, dtype=np.int64).reshape(-1, 2).T
    made = sets_of(owners, rows, count=6)
    stop = min(start + length, 6)
    part = made.between(start, stop)
    assert [part[which].tolist() for which in range(len(part))] == [
        made[which].tolist() for which in range(start, stop)
    ]
