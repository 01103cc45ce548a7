"""publish, partners: the safe captions paired with unsafe ones in the pools, if any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.stages.mine.partners import names_of, partner_names, safe_ids
from nsfwcaps.tables import read_tables

_AT_ONCE = 65_536
"""Ids that are Python strings at once."""


@dataclass(frozen=True, kw_only=True)
class Partners:
    """Partners of the pairs `[p]`."""

    ids: pa.Array
    """Id of the safe caption; null if a pair has no partner."""
    missing: npt.NDArray[np.bool_]
    """Whether a pair names a partner that was not found."""


def find_partners(ingest: StageRecord, embed: StageRecord, grade: StageRecord) -> Partners:
    """Look up the partners of the unsafe captions among the embedded safe captions.

    A partner without a vector counts as not found, as its near-duplicates are unknown.
    """
    count = grade.rows("pairs")
    if not _named(ingest):
        return Partners(ids=pa.nulls(count, pa.string()), missing=np.zeros(count, dtype=np.bool_))
    unsafe = read_tables(grade.paths("pairs"), ["unsafe_id"])
    names = partner_names(ingest, np.concatenate([names_of(t["unsafe_id"]) for t in unsafe]))
    found = safe_ids(embed, names)
    parts = [pa.array([], pa.string())]
    for start in range(0, count, _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        parts.append(pa.array(some.astype(str), pa.string(), mask=some == b""))
    return Partners(ids=pa.concat_arrays(parts), missing=(names != b"") & (found == b""))


def _named(ingest: StageRecord) -> bool:
    """Whether an unsafe caption names a partner."""
    tables = read_tables(ingest.paths("unsafe"), ["partner"])
    return any(table["partner"].null_count < table.num_rows for table in tables)
