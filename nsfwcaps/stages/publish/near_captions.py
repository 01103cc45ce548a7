"""publish, near-duplicate captions: those of all pairs, and which of them are nearly equal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps import schema
from nsfwcaps.artifacts import ShardTables, StageFolder, StageRecord
from nsfwcaps.config import digest, parse_bytes
from nsfwcaps.enums import Device
from nsfwcaps.progress import Progress
from nsfwcaps.stages.publish.settings import PublishSettings
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.columns import vector_table
from nsfwcaps.vectors.index import BlockSearch, Rows
from nsfwcaps.vectors.near_duplicates import near_duplicates
from nsfwcaps.vectors.nearest import HeldTable, blocks_for
from nsfwcaps.vectors.store import VectorTable

_NODE_ROWS = 16_384
_BLOCK_ROWS = 16_384
_NEIGHBOURS = 256

EDGES = pa.schema([("left", pa.int64()), ("right", pa.int64())])
_PICTURE = (pa.field("image_sha256", pa.string()),)


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The n captions of all pairs and their partners: unsafe, then safe, each sorted by id."""

    ids: dict[str, pa.Array]
    """Ids of each side."""
    vectors: VectorTable
    """`[n, d]`"""
    pictures: pa.Array
    """Hash `[n]` of the caption's picture; null without one."""

    @property
    def count(self) -> int:
        """Number of nodes."""
        return self.vectors.rows

    def rows(self, label: str, ids: pa.Array | pa.ChunkedArray) -> Rows:
        """Return the node `[p]` of each id of a side."""
        spots: Any = pc.index_in(ids, value_set=self.ids[label])
        start = len(self.ids["unsafe"]) if label == "safe" else 0
        return np.asarray(spots).astype(np.int64) + start


def read_nodes(
    folder: StageFolder, embed: StageRecord, ids: dict[str, pa.Array], content: str
) -> Nodes:
    """Collect the vectors of the given ids, sorted, of each side."""
    paths = []
    for label in ("unsafe", "safe"):
        table = VectorTable(embed.paths(label))
        rows = np.sort(table.find("id", ids[label]))
        for start in range(0, len(rows), _NODE_ROWS):
            part, stem = rows[start : start + _NODE_ROWS], f"nodes-{label}-{start:09d}"
            key = digest([content, "nodes", label, start])
            shard = folder.shard_or(key, partial(_node_shard, table, part, stem))
            paths += [folder.path / file.path for file in shard.files]
    vectors = VectorTable(paths)
    pictures = vectors.column("image_sha256", np.arange(vectors.rows)).combine_chunks()
    return Nodes(ids=ids, vectors=vectors, pictures=pictures)


def _node_shard(table: VectorTable, rows: Rows, stem: str) -> ShardTables:
    names = ("id", "image_sha256")
    found = vector_table(
        schema.vectors(table.width, "id", _PICTURE),
        {name: table.column(name, rows).combine_chunks() for name in names},
        table.take(rows),
        table.encoder,
    )
    return ShardTables(tables={("nodes", stem): found}, rows_in=len(rows))


def near_captions(
    settings: PublishSettings,
    folder: StageFolder,
    vectors: VectorTable,
    content: str,
    progress: Progress,
) -> tuple[Rows, Rows]:
    """Return the edges `[e]`, `[e]` between captions with at least the cosine of the settings."""
    sizes = blocks_for(parse_bytes(settings.memory), vectors.width, _NEIGHBOURS)
    step = min(_BLOCK_ROWS, sizes.queries)
    pool = HeldTable(vectors, BlockSearch(Device.AUTO), block_rows=sizes.rows)

    def find(start: int, stop: int) -> ShardTables:
        left, right = near_duplicates(pool, start, stop, settings.near_duplicate)
        table = pa.table({"left": left, "right": right}, schema=EDGES)
        return ShardTables(tables={("edges", f"edges-{start:09d}"): table}, rows_in=stop - start)

    files = []
    with progress.task("publish: split", vectors.rows) as advance:
        for start in range(0, vectors.rows, step):
            stop = min(start + step, vectors.rows)
            key = digest([content, "edges", settings.near_duplicate, start, stop])
            shard = folder.shard_or(key, partial(find, start, stop))
            files += [folder.path / file.path for file in shard.files]
            advance(stop - start)
    edges = pa.concat_tables(read_tables(files))
    return np.asarray(edges["left"]), np.asarray(edges["right"])
