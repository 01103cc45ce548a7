"""The rejects of all stages of a run as one table of ids and reasons."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.inspection.set_aside import PICTURE_DIGITS
from nsfwcaps.tables import read_tables

_COLUMNS = pa.schema([("id", pa.string()), ("reason", pa.string()), ("stage", pa.string())])


def rejects_of(records: Iterable[StageRecord]) -> pa.Table:
    """Table with the columns `id`, `reason` and `stage`, in pipeline order.

    Pictures that embed could not read are left out, as the records count them: their captions are
    there.
    """
    parts = [_COLUMNS.empty_table()]
    for record in records:
        parts += [_named(table, record.stage) for table in read_tables(record.paths("rejects"))]
    return pa.concat_tables(parts)


def _named(table: pa.Table, stage: str) -> pa.Table:
    """Ids and reasons of one table; ingest rejects are identified by pool and row instead."""
    ids = (
        table["id"]
        if "id" in table.column_names
        else pc.binary_join_element_wise(
            table["source"], table["source_row"].cast(pa.string()), ":"
        )
    )
    stages = pa.array([stage] * table.num_rows, pa.string())
    named = pa.table({"id": ids, "reason": table["reason"], "stage": stages}, schema=_COLUMNS)
    if "id" not in table.column_names:
        return named
    return named.filter(pc.not_equal(pc.utf8_length(named["id"]), PICTURE_DIGITS))
