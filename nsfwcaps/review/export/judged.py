"""Judged pairs as other tools want them: captions beside all that was said of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nsfwcaps.review import tables
from nsfwcaps.review.log.outcomes import Bodies, Body, Outcome, VerdictRow
from nsfwcaps.review.pairs import ReviewPairs

COLUMNS = (
    *("pair_id", "unsafe_caption", "safe_caption", "category"),
    *("stage", "split", "sim_text", "difficulty"),
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A pair of which somebody has said something, and what."""

    pair: Mapping[str, Any]
    """Its `COLUMNS`."""
    outcome: Outcome
    said: list[tuple[VerdictRow, Body]]


def gather(connection: sa.Connection, found: Sequence[Outcome], pairs: ReviewPairs) -> list[Judged]:
    """Pairs of the data set that were judged or settled, or whose answer is known.

    No caption leaves the data set for a pair that nobody has looked at.
    """
    wanted = {found.pair_id: found for found in found if found.rows and found.pair_id in pairs}
    verdict = tables.verdict
    texts = connection.execute(sa.select(verdict.c.seq, verdict.c.body))
    text_of, bodies = {row.seq: row.body for row in texts}, Bodies()
    rows = {
        row["pair_id"]: row
        for batch in pairs.table.select(COLUMNS).to_batches(max_chunksize=10_000)
        for row in batch.to_pylist()
        if row["pair_id"] in wanted
    }
    return [
        Judged(
            pair=rows[pair_id],
            outcome=outcome,
            said=[(row, bodies[text_of[row.seq]]) for row in outcome.rows],
        )
        for pair_id, outcome in wanted.items()
    ]


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSON list, one item a line: indented as a whole it takes ten times as long."""
    with path.open("w", encoding="utf-8") as file:
        before = "[\n"
        for row in rows:
            file.write(before + json.dumps(row, ensure_ascii=False))
            before = ",\n"
        file.write("[]\n" if before == "[\n" else "\n]\n")
