"""publish, the partners: the safe captions that unsafe ones came with, if the pools have them."""

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
    """The partners of the pairs `[p]`."""

    ids: pa.Array
    """Id of a safe caption, null where a pair has no partner."""
    missing: npt.NDArray[np.bool_]
    """Whether a pair names one which is not there."""


def find_partners(ingest: StageRecord, embed: StageRecord, grade: StageRecord) -> Partners:
    """Look up what the unsafe captions of the pairs name among the safe ones with a vector.

    One without a vector counts as not found: what it is a near-duplicate of is not known.
    """
    pairs = pa.concat_tables(read_tables(grade.paths("pairs"), ["unsafe_id"]))
    names = partner_names(ingest, names_of(pairs["unsafe_id"]))
    found = safe_ids(embed, names)
    ids = pa.array(found.astype(str), pa.string(), mask=found == b"")
    return Partners(ids=ids, missing=(names != b"") & (found == b""))
