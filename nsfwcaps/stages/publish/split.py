"""publish, split: group connected pairs, and assign a split to each group.

The captions of all pairs, on both sides, are nodes. A pair is an edge, and so is a cosine of at
least `near_duplicate` between any two captions. A connected group goes into one split as a whole,
so no caption and no near-duplicate of it is in two splits.

Partners are nodes too, but a pair has no edge to its partner: many pairs may share one, and would
form one large group. A partner in another split than its pair is dropped from the pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps import schema
from nsfwcaps.artifacts import ShardTables, StageFolder, StageRecord
from nsfwcaps.captions.splits import assign, beside, groups
from nsfwcaps.config import digest, parse_bytes
from nsfwcaps.enums import Device, Split
from nsfwcaps.progress import Progress
from nsfwcaps.stages.publish.settings import PublishSettings
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.columns import vector_table
from nsfwcaps.vectors.index import BlockSearch, Rows
from nsfwcaps.vectors.near_duplicates import near_duplicates
from nsfwcaps.vectors.nearest import blocks_for
from nsfwcaps.vectors.store import VectorTable

VERSION = 1

_NODE_ROWS = 16_384
_BLOCK_ROWS = 16_384
_NEIGHBOURS = 256

_EDGES = pa.schema([("left", pa.int64()), ("right", pa.int64())])


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The split `[p]` of every pair, and statistics of the groups."""

    of_pair: npt.NDArray[np.str_]
    partner_ids: pa.Array
    """Id `[p]` of the partner of every pair; null if there is none in the split of the pair."""
    groups: int
    largest_group: int
    near_duplicates: int


def split_pairs(
    settings: PublishSettings,
    folder: StageFolder,
    embed: StageRecord,
    grade: StageRecord,
    partner_ids: pa.Array,
    progress: Progress,
) -> Splits:
    """Group the pairs `[p]` of the grade stage, and assign a split to every group."""
    pairs = pa.concat_tables(read_tables(grade.paths("pairs"), ["pair_id", "unsafe_id", "safe_id"]))
    partners = partner_ids.drop_null().unique().sort()
    safe_ids = pa.concat_arrays([pairs["safe_id"].combine_chunks(), partners])
    sides = {
        "unsafe": pairs["unsafe_id"].combine_chunks().unique().sort(),
        "safe": safe_ids.unique().sort(),
    }
    content = digest([VERSION, embed.output_digest, grade.output_digest, partners.to_pylist()])
    nodes = _nodes(folder, embed, sides, content)
    left, right = _edges(settings, folder, nodes, content, progress)
    at = {
        "unsafe": _positions(sides["unsafe"], pairs["unsafe_id"], 0),
        "safe": _positions(sides["safe"], pairs["safe_id"], len(sides["unsafe"])),
    }
    of_node = groups(
        nodes.rows, np.concatenate([at["unsafe"], left]), np.concatenate([at["safe"], right])
    )
    group = of_node[at["unsafe"]]
    sizes = np.unique(group, return_counts=True)[1]
    pair_ids = pairs["pair_id"].to_pylist()
    of_pair = assign(
        group,
        pair_ids,
        validation_share=settings.validation_share,
        test_share=settings.test_share,
        seed=settings.seed,
    )
    of_partner = np.full(len(pair_ids), -1, dtype=np.int64)
    of_partner[np.asarray(partner_ids.is_valid())] = of_node[
        _positions(sides["safe"], partner_ids.drop_null(), len(sides["unsafe"]))
    ]
    together = beside(of_partner, group, of_pair, pair_ids)
    return Splits(
        of_pair=of_pair,
        partner_ids=pc.if_else(pa.array(together), partner_ids, None),
        groups=len(sizes),
        largest_group=int(sizes.max()),
        near_duplicates=len(left),
    )


def _nodes(
    folder: StageFolder, embed: StageRecord, sides: dict[str, pa.Array], content: str
) -> VectorTable:
    """Return the vectors of all captions and partners: unsafe, then safe, each sorted by id."""
    paths = []
    for label in ("unsafe", "safe"):
        table = VectorTable(embed.paths(label))
        rows = np.sort(table.find("id", sides[label]))
        for start in range(0, len(rows), _NODE_ROWS):
            part, stem = rows[start : start + _NODE_ROWS], f"nodes-{label}-{start:09d}"
            key = digest([content, "nodes", label, start])
            shard = folder.shard_or(key, partial(_node_shard, table, part, stem))
            paths += [folder.path / file.path for file in shard.files]
    return VectorTable(paths)


def _node_shard(table: VectorTable, rows: Rows, stem: str) -> ShardTables:
    found = vector_table(
        schema.vectors(table.width, "id"),
        {"id": table.column("id", rows).combine_chunks()},
        table.take(rows),
        table.encoder,
    )
    return ShardTables(tables={("nodes", stem): found}, rows_in=len(rows))


def _edges(
    settings: PublishSettings,
    folder: StageFolder,
    nodes: VectorTable,
    content: str,
    progress: Progress,
) -> tuple[Rows, Rows]:
    search = BlockSearch(Device.AUTO)
    sizes = blocks_for(parse_bytes(settings.memory), nodes.width, _NEIGHBOURS)
    step = min(_BLOCK_ROWS, sizes.queries)

    def find(start: int, stop: int) -> ShardTables:
        left, right = near_duplicates(
            nodes, start, stop, settings.near_duplicate, search=search, block_rows=sizes.rows
        )
        table = pa.table({"left": left, "right": right}, schema=_EDGES)
        return ShardTables(tables={("edges", f"edges-{start:09d}"): table}, rows_in=stop - start)

    files = []
    with progress.task("publish: split", nodes.rows) as advance:
        for start in range(0, nodes.rows, step):
            stop = min(start + step, nodes.rows)
            key = digest([content, "edges", settings.near_duplicate, start, stop])
            shard = folder.shard_or(key, partial(find, start, stop))
            files += [folder.path / file.path for file in shard.files]
            advance(stop - start)
    edges = pa.concat_tables(read_tables(files))
    return np.asarray(edges["left"]), np.asarray(edges["right"])


def _positions(ordered: pa.Array, ids: pa.Array | pa.ChunkedArray, offset: int) -> Rows:
    """Return the node number `[p]` of each id; `ordered` holds the ids of one side, sorted."""
    spots: Any = pc.index_in(ids, value_set=ordered)
    return np.asarray(spots).astype(np.int64) + offset


def split_names(of_pair: npt.NDArray[np.str_]) -> Sequence[str]:
    """Return the splits that have pairs, given the split of each pair, in the usual order."""
    present = set(of_pair.tolist())
    return [split.value for split in Split if split in present]
