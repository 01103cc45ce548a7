"""construct, step 5: write the two pools with their card, and what was set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardFiles, ShardTables, StageFolder
from nsfwcaps.cards import construct as construct_card
from nsfwcaps.config import as_dict, digest, output_settings
from nsfwcaps.construction.editors.editor import Editor
from nsfwcaps.stages.construct.edit import EditRejects
from nsfwcaps.stages.construct.read import SafeItem, SafePool, carried_images
from nsfwcaps.stages.construct.settings import ConstructSettings

_VERSION = 5

Row = dict[str, Any]


def deliver(
    settings: ConstructSettings,
    folder: StageFolder,
    pool: SafePool,
    rows: Sequence[Row],
    editor: Editor,
    facts: Mapping[str, Any],
) -> Shard:
    """Write the two pools, each sorted by id, and the card."""
    root = digest([_VERSION, output_settings(settings), facts, [row["id"] for row in rows]])[:12]

    def files() -> ShardFiles:
        by_id = {item.id: item for item in pool.items}
        safe = [by_id[item] for item in sorted({row["safe_id"] for row in rows})]
        unsafe = [
            {**row, "partner_id": row["safe_id"], "editor": editor.statement.name}
            for row in sorted(rows, key=lambda row: str(row["id"]))
        ]
        tables = {
            "safe": _safe_table(safe, settings, pool),
            "unsafe": pa.Table.from_pylist(unsafe, schema=schema.CONSTRUCTED_UNSAFE),
        }
        contents: dict[tuple[str, str], pa.Table | bytes] = {}
        for label, table in tables.items():
            parts = range(0, table.num_rows, settings.shard_rows)
            for number, start in enumerate(parts):
                name = f"{root}/{label}/{number:05d}-of-{len(parts):05d}.parquet"
                contents["dataset", name] = table.slice(start, settings.shard_rows)
        card = construct_card.render(as_dict(settings), facts)
        contents["dataset", f"{root}/README.md"] = card.encode()
        return ShardFiles(contents=contents, rows_in=len(rows))

    return folder.make_shard(digest([root, construct_card.template_digest()]), files)


def _safe_table(items: Sequence[SafeItem], settings: ConstructSettings, pool: SafePool) -> pa.Table:
    """Return the safe captions, with the optional columns that the pool has."""
    images: Mapping[str, bytes] = {}
    if pool.has_images:
        images = carried_images(settings, {item.id for item in items})
    rows = [{**asdict(item), "image": images.get(item.id)} for item in items]
    table = pa.Table.from_pylist(rows, schema=schema.CONSTRUCTED_SAFE)
    optional = ("image_path", "image", "image_coco_url")
    return table.drop_columns(
        [name for name in optional if table[name].null_count == table.num_rows]
    )


def set_aside(folder: StageFolder, pool: SafePool, screened: EditRejects) -> Shard:
    """Write the unreadable rows of the pool and the captions rejected before editing."""
    rejects = Counter(pool.rejects) + Counter(screened.counts)

    def made() -> ShardTables:
        tables = screened.tables("safe")
        if pool.rejected:
            tables["rejects", "rejects-pool"] = pa.Table.from_pylist(
                [
                    {
                        "source": source,
                        "source_row": row,
                        "reason": item.reason,
                        "label": item.label,
                        "caption": item.raw,
                    }
                    for source, row, item in pool.rejected
                ],
                schema=schema.INGEST_REJECTS,
            )
        return ShardTables(tables=tables, rows_in=0, rejects=dict(sorted(rejects.items())))

    content = [[*pool.rejects.items()], [row["id"] for row in screened.rows], screened.counts]
    return folder.make_shard(digest([_VERSION, "set aside", content, pool.rows]), made)
