"""illustrate, step 3: write the pool, its card, and the captions without an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardFiles, ShardTables, StageFolder
from nsfwcaps.cards import illustrate as illustrate_card
from nsfwcaps.config import digest, output_settings
from nsfwcaps.construction.checks import EXCLUDED
from nsfwcaps.stages.illustrate.draw import PictureFiles
from nsfwcaps.stages.illustrate.read import Row
from nsfwcaps.stages.illustrate.settings import IllustrateSettings

VERSION = 1

POOL = "illustrated"
"""Folder of the pool, next to the pools of construct."""

CARD = f"{POOL}.md"
"""Card of the pool, next to its folder: other tools load a folder of only Parquet files."""


@dataclass(kw_only=True)
class DrawRejects:
    """Captions without an image, each with a reason, and the number of exclusion-list matches."""

    rows: list[Row] = field(default_factory=list)
    excluded: int = 0

    def add(self, row: Row, reason: str) -> None:
        """Reject a row of the unsafe pool."""
        if reason == EXCLUDED:
            self.excluded += 1
        else:
            self.rows.append({"id": row["id"], "category": row["category"], "reason": reason})

    @property
    def counts(self) -> dict[str, int]:
        """Number of captions by reason."""
        counts = Counter(str(row["reason"]) for row in self.rows)
        if self.excluded:
            counts[EXCLUDED] = self.excluded
        return dict(sorted(counts.items()))


def deliver(
    rows: Sequence[Row],
    facts: Mapping[str, Any],
    pictures: PictureFiles,
    folder: StageFolder,
    settings: IllustrateSettings,
) -> list[Shard]:
    """Write the pool, from rows that refer to their pictures by key, and its card."""
    named = [[row["id"], row["image_label"], row["image_scores"]] for row in rows]
    whole = digest([VERSION, output_settings(settings), facts, named])
    root, size = whole[:12], settings.shard_rows
    parts = range(0, len(rows), size)

    def pool(number: int, start: int) -> ShardFiles:
        table = _table(rows[start : start + size], pictures, facts["painter"]["name"])
        name = f"{root}/{POOL}/{number:05d}-of-{len(parts):05d}.parquet"
        return ShardFiles(contents={("dataset", name): table}, rows_in=table.num_rows)

    def card() -> ShardFiles:
        text = illustrate_card.render(facts)
        return ShardFiles(contents={("dataset", f"{root}/{CARD}"): text.encode()})

    shards = [
        folder.shard_or(digest([whole, number]), partial(pool, number, start))
        for number, start in enumerate(parts)
    ]
    key = digest([whole, "card", illustrate_card.template_digest()])
    return [*shards, folder.make_shard(key, card)]


def set_aside(rejects: DrawRejects, folder: StageFolder) -> Shard:
    """Write the captions without an image, with the reasons."""

    def tables() -> ShardTables:
        made = {}
        if rejects.rows:
            table = pa.Table.from_pylist(rejects.rows, schema=schema.ILLUSTRATE_REJECTS)
            made["rejects", "rejects"] = table
        return ShardTables(
            tables=made, rows_in=sum(rejects.counts.values()), rejects=rejects.counts
        )

    content = [[row["id"], row["reason"]] for row in rejects.rows]
    return folder.make_shard(digest([VERSION, "set aside", content, rejects.excluded]), tables)


def _table(rows: Sequence[Row], pictures: PictureFiles, painter: str) -> pa.Table:
    names = schema.ILLUSTRATED_UNSAFE.names
    whole = [{**row, "image": pictures.read(row["key"]), "painter": painter} for row in rows]
    return pa.Table.from_pylist(
        [{name: row[name] for name in names} for row in whole], schema=schema.ILLUSTRATED_UNSAFE
    )
