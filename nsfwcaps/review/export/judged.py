"""Judged pairs for other tools: captions beside their verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nsfwcaps.review import tables
from nsfwcaps.review.log.answers import OF_CATEGORY, named_category
from nsfwcaps.review.log.outcomes import Bodies, Body, Outcome, VerdictRow
from nsfwcaps.review.pairs import ReviewPairs

COLUMNS = (
    *("pair_id", "unsafe_caption", "safe_caption", "category"),
    *("stage", "split", "sim_text", "difficulty"),
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A judged pair with its verdicts."""

    pair: Mapping[str, Any]
    """Values of its `COLUMNS`."""
    outcome: Outcome
    entries: list[tuple[VerdictRow, Body]]


def gather(connection: sa.Connection, found: Sequence[Outcome], pairs: ReviewPairs) -> list[Judged]:
    """Collect pairs of the data set that were judged, settled or have a known answer.

    Captions of pairs that nobody has looked at are never exported.
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
            entries=[
                (row, _of_now(bodies[text_of[row.seq]], rows[pair_id]["category"]))
                for row in outcome.rows
            ],
        )
        for pair_id, outcome in wanted.items()
    ]


def _of_now(body: Body, category: str) -> Body:
    """Return the answers with `right` only where that is the pair's present category."""
    if OF_CATEGORY not in body:
        return body
    named = named_category(body, category)
    values = {name: value for name, value in body.items() if name != OF_CATEGORY}
    return values if named == category else {**values, "category": named}


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSON list, one item per line: indenting takes ten times as long."""
    with path.open("w", encoding="utf-8") as file:
        before = "[\n"
        for row in rows:
            file.write(before + json.dumps(row, ensure_ascii=False))
            before = ",\n"
        file.write("[]\n" if before == "[\n" else "\n]\n")
