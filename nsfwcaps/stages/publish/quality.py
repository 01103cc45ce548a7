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
    pairs = pa.concat_tables(read_tables(paths, _COLUMNS))
    encoder = inputs["embed"].facts["encoder"]
    return quality_of(pairs, encoder, inputs["mine"].settings).as_dict()
