"""A review of harmless pairs of chosen categories, a clock that stands still, and desks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.opening import open_review
from nsfwcaps.review.queue.states import Rest, ReviewTask, State

PEOPLE = ("p-ann", "p-bob", "p-cy", "p-dee")
LEAD = "p-lea"
NOON = 1_000_036_800.0
"""12:00 UTC of some day."""

# Nothing in the way but what a test asks for; the order of the queue is that of the data set.
RULES = {"overlap": 1, "gold_share": 0.0, "control_share": 0.0, "break_minutes": 5.0}


def write_set(folder: Path, categories: Sequence[str], *, first: int = 0) -> ReviewPairs:
    """Write one pair of each category; the first ones decide most."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    numbers = range(first, first + len(categories))
    table = pa.table(
        {
            "pair_id": [f"pair-{number}" for number in numbers],
            "unsafe_id": [f"unsafe-{number}" for number in numbers],
            "safe_id": [f"safe-{number}" for number in numbers],
            "unsafe_caption": [f"a handgun on table {number}" for number in numbers],
            "safe_caption": [f"a vase on table {number}" for number in numbers],
            "category": list(categories),
            "hub_count": [1_000 - number for number in numbers],
        }
    )
    pq.write_table(table, folder / "data" / "train-00000-of-00001.parquet")
    return ReviewPairs(folder)


class Room:
    """Everything of a review but its pages."""

    def __init__(
        self, database: Database, folder: Path, categories: Sequence[str], **rules: Any
    ) -> None:
        self.database = database
        self.pairs = write_set(folder, categories)
        self.now = NOON
        with database.write() as connection:
            connection.execute(
                sa.insert(tables.account),
                [
                    {
                        "account_id": name,
                        "name": name,
                        "name_key": name,
                        "password_hash": "none",
                        "role": "lead" if name == LEAD else "annotator",
                        "created": 0.0,
                        "disabled": False,
                    }
                    for name in (*PEOPLE, LEAD)
                ],
            )
        # With people there already, its log begins with three rows: policy, accounts, queue.
        self.opened = open_review(database, self.pairs, {**RULES, **rules})

    def desk(self, who: str = "p-ann") -> Desk:
        return Desk(self.database, self.pairs, who, lambda: self.now)

    def sit(self, who: str = "p-ann", opted_out: Sequence[str] = ()) -> Desk:
        """A desk whose annotator has consented."""
        desk = self.desk(who)
        desk.consent(list(opted_out))
        return desk

    def minutes(self, count: float) -> None:
        self.now += count * 60

    def count(self, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
        """Count rows; of the log, those about a pair."""
        if table is tables.verdict:
            where = (*where, table.c.pair_id != "")
        with self.database.read() as connection:
            found = sa.select(sa.func.count()).select_from(table).where(*where)
            return int(connection.scalar(found) or 0)

    def run(self, text: str) -> None:
        """Change the database behind everybody's back."""
        with self.database.write() as connection:
            connection.execute(sa.text(text))


def task(state: State) -> ReviewTask:
    assert isinstance(state, ReviewTask), f"no pair, but {state}"
    return state


def rest(state: State) -> Rest:
    assert isinstance(state, Rest), f"no rest, but {state}"
    return state


def see(desk: Desk) -> ReviewTask:
    """Uncover both texts of the pair."""
    found = task(desk.state())
    for side in ("safe", "unsafe"):
        desk.uncover(found.token, f"{side} text")
    return found


def accept(desk: Desk) -> str:
    """See and accept the pair; its id."""
    found = see(desk)
    desk.answer(
        found.token, safe_is_safe="yes", unsafe_is_unsafe="yes", category="right", meaning=4
    )
    desk.decide(found.token, Choice.ACCEPT)
    return found.pair_id


def reject(desk: Desk) -> str:
    """Reject the pair unseen; its id."""
    found = task(desk.state())
    desk.decide(found.token, Choice.REJECT)
    return found.pair_id
