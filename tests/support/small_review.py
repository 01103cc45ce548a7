"""A review of six harmless pairs, and verdicts on them without a desk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.answers import Answers, Choice
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue.opening import open_review

PAIRS = ["pair-1", "pair-2", "pair-3", "pair-4", "pair-5", "pair-6"]
ANNOTATORS = ("p-ann", "p-bob", "p-cy")
LEADS = ("p-lea", "p-leo")


def rows() -> list[dict[str, Any]]:
    return [
        {
            "pair_id": name,
            "unsafe_id": f"unsafe-{number}",
            "safe_id": f"safe-{number}",
            "unsafe_caption": f"a handgun on table {number}",
            "safe_caption": f"a vase on table {number}",
            "category": "weapons" if number % 2 else "smoking",
            "stage": ("easy", "medium", "hard")[number % 3],
            "split": "train",
            "sim_text": 0.5 + number / 20,
            "difficulty": number / 6,
        }
        for number, name in enumerate(PAIRS, start=1)
    ]


def pair_set(folder: Path) -> ReviewPairs:
    """Write the pairs as a data set."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows()), folder / "data" / "train-00000-of-00001.parquet")
    return ReviewPairs(folder)


def begin(database: Database, pairs: ReviewPairs, **policy: Any) -> None:
    """Begin a review that two people judge, with three annotators and two leads.

    Its log begins with three rows: policy, accounts, queue.
    """
    people = [(name, "annotator") for name in ANNOTATORS] + [(name, "lead") for name in LEADS]
    with database.write() as connection:
        connection.execute(
            sa.insert(tables.account),
            [
                {
                    "account_id": name,
                    "name": f"Name of {name}",
                    "name_key": name,
                    "password_hash": f"hash of {name}",
                    "role": role,
                    "created": 0.0,
                    "disabled": False,
                }
                for name, role in people
            ],
        )
    open_review(database, pairs, {"overlap": 2, **policy})


def accept(**answers: Any) -> Answers:
    """Answers of somebody who has looked at all and found nothing wrong, with changes."""
    whole = {"safe_is_safe": "yes", "unsafe_is_unsafe": "yes", "category": "right", "meaning": 4}
    return Answers(**{**whole, "choice": Choice.ACCEPT, **answers})


def reject(**answers: Any) -> Answers:
    """Answers of somebody who finds the safe side not safe, and looks no further."""
    return Answers(**{"safe_is_safe": "no", "choice": Choice.REJECT, **answers})


def fix(safe: str | None = None, unsafe: str | None = None, **answers: Any) -> Answers:
    return accept(choice=Choice.FIX, safe_caption=safe, unsafe_caption=unsafe, **answers)


def judge(
    database: Database, pair_id: str, said: Sequence[tuple[str, Answers]], now: float = 1e9
) -> list[int]:
    """Keep what people say of a pair; the numbers of the rows."""
    with database.write() as connection:
        return [
            verdicts.judge(connection, account, pair_id, answers, now) for account, answers in said
        ]


def take_back(connection: sa.Connection, account: str, now: float) -> None:
    """Take back the last verdict of somebody."""
    decision = tables.decision
    last = sa.select(sa.func.max(decision.c.seq)).where(decision.c.account_id == account)
    verdicts.undo(connection, account, int(connection.scalar(last) or 0), now)
