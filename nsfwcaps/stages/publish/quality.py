"""publish, quality: how close the published pairs are, measured on the written files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from nsfwcaps.artifacts import Shard, StageFolder, StageRecord
from nsfwcaps.mining.deciding import COSINES
from nsfwcaps.mining.quality import quality_of
from nsfwcaps.tables import read_tables

_COLUMNS = ["safe_id", *COSINES, "category", "stage"]


def pair_quality(
    folder: StageFolder, shards: Sequence[Shard], inputs: Mapping[str, StageRecord]
) -> dict[str, Any]:
    """Measure the pairs of the written shards, after any review."""
    paths = [folder.path / file.path for shard in shards for file in shard.files]
    pairs = pa.concat_tables(_coded(table) for table in read_tables(paths, _COLUMNS))
    encoder = inputs["embed"].facts["encoder"]
    return quality_of(pairs, encoder, inputs["mine"].settings).as_dict()


def _coded(pairs: pa.Table) -> pa.Table:
    """Return a table with codes in place of ids, so that those of all files fit the memory."""
    place = pairs.column_names.index("safe_id")
    return pairs.set_column(place, "safe_id", pairs["safe_id"].dictionary_encode())
