"""publish, drawn images: provenance and labels of images drawn in this run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps import schema
from nsfwcaps.artifacts import StageRecord
from nsfwcaps.stages.publish.construction import ingested
from nsfwcaps.tables import read_tables

STAGE = "illustrate"


def illustrated(inputs: Mapping[str, StageRecord]) -> dict[str, Any]:
    """Return the manifest entry of `illustrate`; empty if no image it drew was ingested.

    Settings are omitted, as they contain local paths.
    """
    record = ingested(inputs, STAGE)
    if record is None:
        return {}
    of = {"version": record.version, "output_digest": record.output_digest, "facts": record.facts}
    return {STAGE: of}


class ImageLabels:
    """Labels of the images by id of the unsafe caption, which also identifies its image."""

    def __init__(self, record: StageRecord) -> None:
        paths = [path for path in record.paths("dataset") if path.suffix == ".parquet"]
        names = ["id", *schema.ILLUSTRATED_COLUMNS.values()]
        self._table = pa.concat_tables(read_tables(paths, names))

    def columns(self, ids: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
        """Return the columns `[p]` for ids `[p]`; null for images not drawn in this run."""
        spots = pc.index_in(ids.combine_chunks(), value_set=self._table["id"].combine_chunks())
        found = self._table.take(spots)
        return {name: found[theirs] for name, theirs in schema.ILLUSTRATED_COLUMNS.items()}


def image_labels(inputs: Mapping[str, StageRecord]) -> ImageLabels | None:
    """Return the labels of the images drawn in this run; None if they were not ingested."""
    record = ingested(inputs, STAGE)
    return ImageLabels(record) if record is not None else None
