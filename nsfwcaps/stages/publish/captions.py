"""publish, captions: look up rows of the captions table by id."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.tables import read_tables


def captions_of(
    ingest: StageRecord, label: str, ids: pa.ChunkedArray, columns: Sequence[str]
) -> pa.Table:
    """Return the rows of the `safe` or `unsafe` captions for ids `[p]`, in order; null for null."""
    wanted = ids.combine_chunks().unique()
    found = pa.concat_tables(
        table.filter(pc.is_in(table["id"], value_set=wanted))
        for table in read_tables(ingest.paths(label), ["id", *columns])
    )
    spots = pc.index_in(ids.combine_chunks(), value_set=found["id"].combine_chunks())
    return found.take(spots)
