"""What a review says of each pair, read from its database or from an export of it.

A database counts as it is now and an export as it was then; from equal logs both give the same.
Neither is used unless its log is whole. A table alone, `outcomes.parquet` without the log beside
it, has nothing to check but itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from nsfwcaps.config import digest
from nsfwcaps.delivery import RECORD
from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.files import sha256_file
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database, get_meta
from nsfwcaps.review.export import export, parquet
from nsfwcaps.review.log import chain, verdicts
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.log.chain import Link
from nsfwcaps.review.log.outcomes import Outcome, PairState, outcomes


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a review says of a pair; the fields are those of `review.log.outcomes.Outcome`."""

    state: PairState
    choice: Choice | None
    category: str | None
    safe_caption: str | None
    unsafe_caption: str | None
    verdicts: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Review:
    """The judgements of a review, and the log that they follow from."""

    judgements: Mapping[str, Judgement]
    """By pair id."""
    rows: int
    """Rows of the log, and the hash of the last one."""
    hash: str
    data: str
    """Digest of the data set that was reviewed."""


def source_digest(path: Path) -> str:
    """Digest of what `read` reads, without reading all of it.

    Raises:
        InputError: the folder has no table of outcomes.
        ReviewError: it is no review.
    """
    if path.is_dir() or path.suffix == ".parquet":
        return sha256_file(_outcomes_of(path))
    database = Database(str(path), read_only=True)
    try:
        with database.read() as connection:
            # How many are needed is no part of the log, and tells which pairs are pending.
            needed = tables.item.c.needed
            query = sa.select(needed, sa.func.count()).group_by(needed).order_by(needed)
            counts = [tuple(row) for row in connection.execute(query)]
            return digest([verdicts.head_of(connection), counts])
    finally:
        database.close()


def read(path: Path) -> Review:
    """Read a review's database, its export, or the table of outcomes alone; check the log.

    Raises:
        ReviewError: it is no review, of another version, or the log is not whole.
    """
    if path.is_dir():
        return _from_folder(path)
    if path.suffix == ".parquet":
        return _from_table(path)
    database = Database(str(path), read_only=True)
    try:
        with database.read() as connection:
            rows, last = export.checked_head(connection)
            return Review(
                judgements={found.pair_id: _judgement(found) for found in outcomes(connection)},
                rows=rows,
                hash=last,
                data=get_meta(connection, "data"),
            )
    finally:
        database.close()


def _outcomes_of(path: Path) -> Path:
    """The table of outcomes of an export, or itself."""
    if not path.is_dir():
        return path
    found = path / export.OUTCOMES
    if not found.is_file():
        raise InputError(f"{path}: holds no {export.OUTCOMES}; export the review again")
    return found


def _from_folder(path: Path) -> Review:
    """Check the whole: the record, the bytes of the tables, and the chain of the log."""
    try:
        about = json.loads((path / RECORD).read_bytes())
        sums: Mapping[str, str] = about["sha256"]
        log = about["log"]
        head, first = (int(log["rows"]), str(log["hash"])), str(log["first"])
    except (OSError, ValueError, LookupError, TypeError):
        raise ReviewError(f"{path}: its {RECORD} is missing or damaged; export again") from None
    changed = [name for name, sha256 in sorted(sums.items()) if _sum(path / name) != sha256]
    if changed:
        raise ReviewError(f"{path}: {', '.join(changed)} was changed or lost; export again")
    rows = _table(path / export.VERDICTS).select(parquet.LOG.names).to_pylist()
    wrong = list(chain.faults((Link(**row) for row in rows), first, head))
    if wrong:
        raise ReviewError(f"{path}: the log is not whole ({wrong[0]}); export the review again")
    review = _from_table(path / export.OUTCOMES)
    if (review.rows, review.hash) != head:
        raise ReviewError(f"{path}: {export.OUTCOMES} is of another log; export the review again")
    return review


def _from_table(path: Path) -> Review:
    table = _table(path)
    try:
        about = json.loads(table.schema.metadata[parquet.METADATA])
        is_ours = (about["kind"], about["format"]) == (export.KIND, export.FORMAT)
        rows, last, data = about["log"]["rows"], about["log"]["hash"], about["data"]
    except (ValueError, LookupError, TypeError):
        is_ours = False
    if not is_ours:
        raise ReviewError(
            f"{path}: no outcomes of a review, or those of another version; export it again"
        )
    judgements = {
        row["pair_id"]: Judgement(
            state=PairState(row["outcome"]),
            choice=None if row["choice"] is None else Choice(row["choice"]),
            **{name: row[name] for name in ("category", "safe_caption", "unsafe_caption")},
            verdicts=row["verdicts"],
        )
        for row in table.to_pylist()
    }
    return Review(judgements=judgements, rows=rows, hash=last, data=data)


def _table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException):
        raise ReviewError(f"{path} is missing or damaged; export the review again") from None


def _sum(path: Path) -> str | None:
    try:
        return sha256_file(path)
    except OSError:
        return None


def _judgement(found: Outcome) -> Judgement:
    return Judgement(
        state=found.state,
        choice=found.choice,
        category=found.category,
        safe_caption=found.safe_caption,
        unsafe_caption=found.unsafe_caption,
        verdicts=[row._asdict() for row in found.rows],
    )
