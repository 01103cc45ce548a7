"""What leads' rows of the log make of each pair: settled, set aside, opened, or nothing.

A pair has at most one of these marks. A `reopen` row holds `{"of": NUMBER or null}`: the lead's row
that no longer counts, or null where none does and the pair becomes a dispute all the same. A row
that reopens a reopening brings back what that one took away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

OF, UNDO = "of", "undo"
"""Keys of a `reopen` row: the row that no longer counts; true where a lead took back a slip."""


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The log row that counts, under what it made of the pair; None otherwise."""

    settled: int | None = None
    aside: int | None = None
    opened: int | None = None

    @property
    def row(self) -> int | None:
        """The one row that counts, or None."""
        return next((row for row in (self.settled, self.aside, self.opened) if row), None)


UNMARKED = Marks()


def reopened(body: str) -> int | None:
    """Return the row that a `reopen` row names.

    >>> reopened('{"of": 7, "undo": true}')
    7
    """
    of: int | None = json.loads(body).get(OF)
    return of


class MarkedPairs:
    """The marks of all pairs, followed row by row."""

    def __init__(self) -> None:
        self._now: dict[str, Marks] = {}
        self._before: dict[int, Marks] = {}

    @property
    def marks(self) -> Mapping[str, Marks]:
        """The pairs that have a mark."""
        return {pair: marks for pair, marks in self._now.items() if marks != UNMARKED}

    def settle(self, pair_id: str, seq: int) -> None:
        """Follow a `settle` row."""
        self._mark(pair_id, seq, Marks(settled=seq))

    def set_aside(self, pair_id: str, seq: int) -> None:
        """Follow an `aside` row."""
        self._mark(pair_id, seq, Marks(aside=seq))

    def reopen(self, pair_id: str, seq: int, of: int | None) -> None:
        """Follow a `reopen` row. One that names a row that does not count changes nothing."""
        now = self._now.get(pair_id, UNMARKED)
        if of != now.row:
            return
        takes_back = now.opened is not None  # then `of` names that reopening
        self._mark(pair_id, seq, self._before[of] if of and takes_back else Marks(opened=seq))

    def _mark(self, pair_id: str, seq: int, marks: Marks) -> None:
        self._before[seq] = self._now.get(pair_id, UNMARKED)
        self._now[pair_id] = marks
