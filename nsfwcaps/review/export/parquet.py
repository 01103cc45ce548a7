"""Parquet tables of an export: the log with its hash chain, and one row per pair."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from nsfwcaps.review import tables
from nsfwcaps.review.chain.links import Link
from nsfwcaps.review.log.outcomes import Outcome
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.schema import VERDICT

METADATA = b"nsfwcaps.review"
"""Key of the table metadata: JSON with the data set's digest and the log's head."""

LOG = pa.schema(
    [(field.name, pa.int64() if field.name == "seq" else pa.string()) for field in fields(Link)]
)

OUTCOMES = pa.schema(
    [
        ("pair_id", pa.string()),
        ("unsafe_id", pa.string()),  # null if no longer in the data set
        ("safe_id", pa.string()),
        ("outcome", pa.string()),  # pending, agreed, disputed, settled or known
        ("choice", pa.string()),  # accept, fix or reject; null while undecided
        ("category", pa.string()),  # right, or the correct one; null if disputed
        ("meaning", pa.float64()),  # median rating, 1 to 5
        ("unsafe_caption", pa.string()),  # corrected caption, if fixed
        ("safe_caption", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),  # reason for its queue position; control: random
        ("gone", pa.bool_()),
        ("verdicts", pa.list_(VERDICT)),
    ]
)


def log(connection: sa.Connection, about: Mapping[str, Any]) -> pa.Table:
    """Return the whole log, by row number."""
    row = tables.verdict.c
    query = sa.select(*(row[name] for name in LOG.names)).order_by(row.seq)
    columns = [*zip(*connection.execute(query), strict=True)] or [()] * len(LOG)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, LOG, strict=True)]
    return pa.Table.from_arrays(arrays, schema=_marked(LOG, about))


def of_pairs(found: Sequence[Outcome], pairs: ReviewPairs, about: Mapping[str, Any]) -> pa.Table:
    """Return the outcome of each pair, in queue order."""
    ids = pairs.table.select(["pair_id", "unsafe_id", "safe_id"]).to_pylist()
    sides = {row["pair_id"]: row for row in ids}
    rows = []
    for outcome in found:
        side = sides.get(outcome.pair_id, {})
        rows.append(
            {
                "pair_id": outcome.pair_id,
                "unsafe_id": side.get("unsafe_id"),
                "safe_id": side.get("safe_id"),
                "outcome": outcome.state.value,
                "choice": outcome.choice,
                "category": outcome.category,
                "meaning": outcome.meaning,
                "unsafe_caption": outcome.unsafe_caption,
                "safe_caption": outcome.safe_caption,
                "stage": outcome.level,
                "reason": outcome.reason,
                "gone": outcome.gone,
                "verdicts": [row._asdict() for row in outcome.rows],
            }
        )
    return pa.Table.from_pylist(rows, schema=_marked(OUTCOMES, about))


def _marked(schema: pa.Schema, about: Mapping[str, Any]) -> pa.Schema:
    """Embed the log's identity, so that a table is traceable on its own."""
    kept = {name: about[name] for name in ("kind", "format", "data", "log")}
    return schema.with_metadata({METADATA: json.dumps(kept, sort_keys=True)})
