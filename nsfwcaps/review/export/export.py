"""Export of a review to a folder: log, outcome of each pair, agreement.

    FOLDER/
        export.json          digest of the data set, head of the log, counts, policy
        verdicts.parquet     the log with its hash chain
        outcomes.parquet     one row per pair; read by `publish --verdicts FOLDER`
        agreement.json       coefficients with confidence intervals, by question
        label_studio.json    judged pairs as tasks (with label_studio_config.xml)
        argilla/             judged pairs for Argilla's `from_disk`

People appear as pseudonyms; names, passwords and exposure records stay in the database. The files
for Label Studio and Argilla contain captions by design, including harmful ones. So do the fixed
captions and comments in the Parquet files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nsfwcaps.delivery.exported import delivered, write_record
from nsfwcaps.errors import ReviewError
from nsfwcaps.files import sha256_file
from nsfwcaps.metrics.agreement import RESAMPLES
from nsfwcaps.review.chain import links as chain
from nsfwcaps.review.chain import noted
from nsfwcaps.review.database import Database, get_meta
from nsfwcaps.review.export import argilla, label_studio, parquet
from nsfwcaps.review.export.judged import gather, write_rows
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.outcomes import Outcome, outcomes
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.queue import filling
from nsfwcaps.review.queue.opening import check_data, policy_of
from nsfwcaps.review.results import agreement
from nsfwcaps.tables import parquet_bytes
from nsfwcaps.version import __version__

FORMAT = 1
"""Format of the folder; other versions are refused."""
KIND = "nsfwcaps review"
VERDICTS, OUTCOMES, AGREEMENT = "verdicts.parquet", "outcomes.parquet", "agreement.json"
LABEL_STUDIO, CONFIG = "label_studio.json", "label_studio_config.xml"
ARGILLA = "argilla"


@dataclass(frozen=True, kw_only=True)
class ExportedReview:
    """Result of an export."""

    folder: Path
    head: tuple[int, str]
    """Number and hash of the last row. Note them to detect a rewritten log later."""
    counts: Mapping[str, int]
    """Number of pairs by state."""
    judged: int
    """Number of pairs in the files for other tools."""
    notes: tuple[str, ...] = ()
    """A line for each edited file of an earlier export that was kept."""


def export(
    database: Database,
    pairs: ReviewPairs,
    folder: Path,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    done: Callable[[str], None] = lambda what: None,
) -> ExportedReview:
    """Write the folder atomically, replacing an earlier export.

    `seed` and `resamples` are for the confidence intervals of agreement; `done` is called after
    each part. Equal logs give equal bytes.

    Raises:
        ReviewError: the log is damaged or does not continue from the one that was exported to the
            folder earlier, or the data set has changed or is another one.
        StorageError: the folder contains other files.
    """
    notes: list[str] = []
    with delivered(folder, notes) as place, database.read() as connection:
        _check_not_other(connection, database, pairs)
        check_data(connection, pairs)
        head = checked_head(connection)
        _check_continues(connection, database, folder)
        done("log checked")
        found = outcomes(connection)
        about = _about(connection, head, found)
        _write(place / VERDICTS, parquet.log(connection, about))
        _write(place / OUTCOMES, parquet.of_pairs(found, pairs, about))
        done("tables")
        judged = gather(connection, found, pairs)
        write_rows(place / LABEL_STUDIO, label_studio.tasks(judged))
        (place / CONFIG).write_text(label_studio.config(pairs.categories), "utf-8")
        argilla.write(place / ARGILLA, judged, pairs.categories, about)
        done("files for other tools")
        measured = agreement.agree(connection, seed=seed, resamples=resamples, done=done)
        facts = {"seed": seed, "resamples": resamples, "questions": agreement.as_json(measured)}
        _write_json(place / AGREEMENT, facts)
        names = (VERDICTS, OUTCOMES)
        sums = {name: sha256_file(place / name) for name in names}
        write_record(place, {**about, "sha256": sums})
    return ExportedReview(
        folder=folder,
        head=head,
        counts=about["pairs"],
        judged=len(judged),
        notes=tuple(notes),
    )


def checked_head(connection: sa.Connection) -> tuple[int, str]:
    """Verify the log; return the number and hash of its last row.

    Raises:
        ReviewError: it is damaged; names the faults.
    """
    wrong = verdicts.verify(connection)
    if wrong:
        raise ReviewError(
            f"the log of this review is damaged: {'; '.join(wrong[:3])}"
            f"{f'; and {len(wrong) - 3} more' if len(wrong) > 3 else ''}. Restore the latest "
            "backup of the database; 'nsfwcaps review verify' lists all faults"
        )
    return verdicts.head_of(connection)


def _check_continues(connection: sa.Connection, database: Database, folder: Path) -> None:
    """Check that an earlier export is not replaced by one of an older or rewritten log.

    Raises:
        ReviewError: it would be.
    """
    head = noted.of_export(folder)
    if head is None:
        return
    first = chain.genesis(get_meta(connection, "review_id"))
    if head.first not in (None, first):
        raise ReviewError(
            f"{folder} holds the export of another review than {database.name}; nothing was "
            "written: choose another --out"
        )
    wrong = noted.lacks(verdicts.links(connection), first, head)
    if wrong:
        raise ReviewError(
            f"{database.name} does not continue from the review exported to {folder} at row "
            f"{head.rows}: {wrong}. Nothing was written. Name the latest database with --db, or "
            "choose another --out; after restoring a backup, say so with 'nsfwcaps review restored "
            f"--db DB --noted {head.rows}:{head.hash}'"
        )


def _check_not_other(connection: sa.Connection, database: Database, pairs: ReviewPairs) -> None:
    if get_meta(connection, "data") == pairs.digest:
        return
    if filling.known_ids(connection).keys().isdisjoint(pairs.ids):
        raise ReviewError(
            f"{database.name} reviews another data set: it contains none of the {len(pairs)} pairs "
            f"of {pairs.folder}; pass its own data set with --data"
        )


def _about(
    connection: sa.Connection, head: tuple[int, str], found: list[Outcome]
) -> dict[str, Any]:
    """Content of export.json, part of which becomes the metadata of each table."""
    counts = Counter(outcome.state.value for outcome in found)
    return {
        "kind": KIND,
        "format": FORMAT,
        "version": __version__,
        "data": get_meta(connection, "data"),
        "log": {
            "rows": head[0],
            "hash": head[1],
            "first": chain.genesis(get_meta(connection, "review_id")),
        },
        "pairs": dict(sorted(counts.items())),
        "gone": sum(outcome.gone for outcome in found),
        "policy": policy_of(connection).as_json(),
    }


def _write(path: Path, table: Any) -> None:
    path.write_bytes(parquet_bytes(table))


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")
