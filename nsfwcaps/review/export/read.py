"""Reading of a review's outcomes from its database or from an export.

A database gives the current state, an export the state at its time; equal logs give equal results.
Both are refused if the log is damaged. A lone `outcomes.parquet` has no log to be checked against.
Compared with a head that was noted earlier, `Review.lacks` says why a log does not go on from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.config import digest
from nsfwcaps.delivery.exported import RECORD
from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.files import sha256_file
from nsfwcaps.review.chain import links as chain
from nsfwcaps.review.chain.links import Link
from nsfwcaps.review.chain.noted import NotedHead, head_lacks, lacks
from nsfwcaps.review.database import Database, get_meta
from nsfwcaps.review.export import export, parquet
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.log.outcomes import Outcome, PairState, day_of, outcomes
from nsfwcaps.review.log.verifying import check_kinds


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Outcome of a pair; fields as in `review.log.outcomes.Outcome`."""

    state: PairState
    choice: Choice | None
    category: str | None
    safe_caption: str | None
    unsafe_caption: str | None
    verdicts: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Review:
    """The judgements of a review, and the identity of its log."""

    judgements: Mapping[str, Judgement]
    """By pair id."""
    rows: int
    """Number of log rows; `hash` is that of the last one."""
    hash: str
    data: str
    """Digest of the reviewed data set."""
    first: str
    """Hash before the first row, which identifies the review."""
    lacks: str | None = None
    """Why the log does not continue from the noted head; None if it does, or without one."""


def source_digest(path: Path) -> str:
    """Digest the input of `read`, without reading all of it.

    Raises:
        InputError: the folder has no table of outcomes.
        ReviewError: the path is not a review.
    """
    if path.is_dir() or path.suffix == ".parquet":
        return sha256_file(_outcomes_of(path))
    database = Database(str(path), read_only=True)
    try:
        with database.read() as connection:
            return digest(verdicts.head_of(connection))
    finally:
        database.close()


def read(path: Path, noted: NotedHead | None = None) -> Review:
    """Read a review's database, its export, or a lone table of outcomes; verify the log.

    Args:
        path: one of the three.
        noted: head of the log at an earlier time, to compare with.

    Raises:
        ReviewError: the path is not a review, has another version, or its log is damaged.
    """
    if path.is_dir():
        return _from_folder(path, noted)
    if path.suffix == ".parquet":
        return _from_table(path, noted)
    database = Database(str(path), read_only=True)
    try:
        with database.read() as connection:
            rows, last = export.checked_head(connection)
            first = chain.genesis(get_meta(connection, "review_id"))
            links = verdicts.links(connection)
            return Review(
                judgements={found.pair_id: _judgement(found) for found in outcomes(connection)},
                rows=rows,
                hash=last,
                data=get_meta(connection, "data"),
                first=first,
                lacks=None if noted is None else lacks(links, first, noted),
            )
    finally:
        database.close()


def _outcomes_of(path: Path) -> Path:
    """Return the table of outcomes in an export, or the path itself."""
    if not path.is_dir():
        return path
    found = path / export.OUTCOMES
    if not found.is_file():
        raise InputError(f"{path}: missing {export.OUTCOMES}; export the review again")
    return found


def _from_folder(path: Path, noted: NotedHead | None) -> Review:
    """Read an export, verifying its record, the bytes of its tables, and the hash chain."""
    try:
        about = json.loads((path / RECORD).read_bytes())
        sums: Mapping[str, str] = about["sha256"]
        log = about["log"]
        head, first = (int(log["rows"]), str(log["hash"])), str(log["first"])
    except (OSError, ValueError, LookupError, TypeError):
        raise ReviewError(
            f"{path}: {RECORD} is missing or damaged; export the review again"
        ) from None
    changed = [name for name, sha256 in sorted(sums.items()) if _sum(path / name) != sha256]
    if changed:
        raise ReviewError(
            f"{path}: {', '.join(changed)} changed or missing; export the review again"
        )
    rows = _table(path / export.VERDICTS).select(parquet.LOG.names).to_pylist()
    links = [Link(**row) for row in rows]
    wrong = list(chain.faults(links, first, head))
    if wrong:
        raise ReviewError(f"{path}: the log is damaged ({wrong[0]}); export the review again")
    check_kinds(links)
    review = _from_table(path / export.OUTCOMES, None)
    if (review.rows, review.hash) != head:
        raise ReviewError(
            f"{path}: {export.OUTCOMES} belongs to another log; export the review again"
        )
    return replace(review, lacks=None if noted is None else lacks(links, first, noted))


def _from_table(path: Path, noted: NotedHead | None) -> Review:
    table = _table(path)
    try:
        about = json.loads(table.schema.metadata[parquet.METADATA])
        is_ours = (about["kind"], about["format"]) == (export.KIND, export.FORMAT)
        head, data = about["log"], about["data"]
        rows, last, first = head["rows"], head["hash"], head["first"]
        is_known = {*table["outcome"].unique().to_pylist()} <= {state.value for state in PairState}
    except (ValueError, LookupError, TypeError):
        is_ours = False
    if not is_ours:
        raise ReviewError(
            f"{path}: not a table of review outcomes, or of another version; export it again"
        )
    if not is_known:
        raise ReviewError(f"{path}: written by a later version of nsfwcaps; update nsfwcaps")
    judgements = {
        row["pair_id"]: Judgement(
            state=PairState(row["outcome"]),
            choice=None if row["choice"] is None else Choice(row["choice"]),
            **{name: row[name] for name in ("category", "safe_caption", "unsafe_caption")},
            # Earlier versions exported the time.
            verdicts=[{**verdict, "at": day_of(verdict["at"])} for verdict in row["verdicts"]],
        )
        for row in table.to_pylist()
    }
    return Review(
        judgements=judgements,
        rows=rows,
        hash=last,
        data=data,
        first=first,
        lacks=None if noted is None else head_lacks(rows, last, first, noted),
    )


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
