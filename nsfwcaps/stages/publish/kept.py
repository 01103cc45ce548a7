"""publish, kept columns: the columns of the pools that `ingest --keep-columns` kept."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.captions.tables.kept import ColumnType, decoded


def kept_columns(ingest: StageRecord) -> dict[str, str]:
    """Return the types of the kept columns; empty if none are kept."""
    return dict(ingest.facts.get("kept_columns", {}))


def of_side(side: str, cells: pa.ChunkedArray, types: Mapping[str, str]) -> dict[str, pa.Array]:
    """Return the kept columns `[p]` of one side, from the JSON of its captions `[p]`."""
    values = decoded(cells.to_pylist(), {name: ColumnType(kind) for name, kind in types.items()})
    return {
        f"{side}_{name}": pa.array(values[name], pa.type_for_alias(kind))
        for name, kind in types.items()
    }
