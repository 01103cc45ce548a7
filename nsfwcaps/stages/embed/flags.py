"""embed, flags: captions that the encoder reads only in part, or in a script it does not know.

Their ids are written beside the vectors, whose files stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import FLAGGED, OutputFile, Shard, ShardTables, StageFolder, StageRecord
from nsfwcaps.captions.scripts import is_mostly_non_latin
from nsfwcaps.config import digest
from nsfwcaps.encoders.encoder import Encoder
from nsfwcaps.encoders.languages import Languages
from nsfwcaps.tables import read_tables

VERSION = 1

TRUNCATED, NON_LATIN = "truncated", "non_latin"


def flag(
    label: str, file: OutputFile, ingest: StageRecord, encoder: Encoder, folder: StageFolder
) -> Shard:
    """Write the ids of a shard's flagged captions; the facts count them, or are null if unknown."""
    english = encoder.identity.languages == Languages.ENGLISH
    key = digest([VERSION, "flags", label, file.sha256, encoder.identity.digest, english])

    def tables() -> ShardTables:
        path = ingest.folder / file.path
        table = next(read_tables([path], ["id", "caption"]))
        ids, captions = (table[name].to_pylist() for name in ("id", "caption"))
        cut = encoder.truncated(captions)
        foreign = [is_mostly_non_latin(item) for item in captions] if english else None
        found = {
            name: None if mask is None else [item for item, on in zip(ids, mask, strict=True) if on]
            for name, mask in ((TRUNCATED, cut), (NON_LATIN, foreign))
        }
        stem = path.stem.rpartition("-")[0]
        flagged = _table(found)
        return ShardTables(
            tables={(FLAGGED, f"{FLAGGED}-{stem}"): flagged} if flagged.num_rows else {},
            rows_in=0,  # counted with the vectors
            facts={name: None if some is None else len(some) for name, some in found.items()},
        )

    return folder.shard_or(key, tables)


def total(shards: Sequence[Shard], name: str) -> int | None:
    """Return the number of captions with a flag; None if unknown."""
    counts = [shard.facts[name] for shard in shards]
    return None if None in counts else sum(counts)


def _table(found: dict[str, list[str] | None]) -> pa.Table:
    rows = sorted((item, name) for name, some in found.items() for item in some or [])
    columns = {"id": [item for item, _ in rows], "flag": [name for _, name in rows]}
    return pa.table(columns, schema=schema.FLAGGED_IDS)
