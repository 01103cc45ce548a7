"""publish, nodes: the captions of all pairs and their partners, with their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps import schema
from nsfwcaps.artifacts import ShardTables, StageFolder, StageRecord
from nsfwcaps.config import digest
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.columns import vector_table
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.store import VectorTable

NODE_ROWS = 16_384
"""Rows of a file of nodes."""
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


def numbered(columns: Sequence[pa.ChunkedArray]) -> tuple[pa.Array, list[Rows]]:
    """Return the distinct ids of some columns, ascending, and the number of each cell; null: −1.

    Text is dropped column by column, so that only the distinct ids stay in memory.
    """
    whole = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())
    coded = whole.dictionary_encode()
    distinct = coded.chunk(0).dictionary if coded.num_chunks else pa.array([], pa.string())
    codes = np.concatenate(
        [np.empty(0, np.int64), *(_codes(chunk.indices) for chunk in coded.chunks)]
    )
    order = np.asarray(pc.sort_indices(distinct)).astype(np.int64)
    place = np.full(len(distinct) + 1, -1, dtype=np.int64)  # the last one is that of −1
    place[order] = np.arange(len(order))
    cuts = np.cumsum([len(column) for column in columns])[:-1]
    return distinct.take(pa.array(order)), np.split(place[codes], cuts)


def _codes(indices: pa.Array) -> Rows:
    return np.asarray(pc.fill_null(indices, -1)).astype(np.int64)


def read_nodes(
    folder: StageFolder, embed: StageRecord, ids: dict[str, pa.Array], content: str
) -> Nodes:
    """Collect the vectors of the given ids, sorted, of each side."""
    paths = []
    for label in ("unsafe", "safe"):
        table = VectorTable(embed.paths(label))
        rows = np.sort(table.find("id", ids[label]))
        for start in range(0, len(rows), NODE_ROWS):
            part, stem = rows[start : start + NODE_ROWS], f"nodes-{label}-{start:09d}"
            key = digest([content, "nodes", label, start])
            shard = folder.shard_or(key, partial(_node_shard, table, part, stem))
            paths += [folder.path / file.path for file in shard.files]
    vectors = VectorTable(paths)
    parts = read_tables(paths, ["image_sha256"])
    empty = pa.array([], pa.string())
    pictures = pa.concat_arrays([empty, *(chunk for t in parts for chunk in t[0].chunks)])
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
