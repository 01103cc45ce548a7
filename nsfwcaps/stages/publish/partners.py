"""publish, partners: the safe captions paired with unsafe ones in the pools, if any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.stages.mine.partners import names_of, partner_names, safe_ids
from nsfwcaps.tables import read_tables


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
    pairs = pa.concat_tables(read_tables(grade.paths("pairs"), ["unsafe_id"]))
    names = partner_names(ingest, names_of(pairs["unsafe_id"]))
    found = safe_ids(embed, names)
    ids = pa.array(found.astype(str), pa.string(), mask=found == b"")
    return Partners(ids=ids, missing=(names != b"") & (found == b""))
