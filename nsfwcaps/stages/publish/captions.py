"""publish, captions: look up rows of the captions table by id, or by node."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import ShardFiles, StageFolder, StageRecord
from nsfwcaps.config import digest
from nsfwcaps.stages.publish.nodes import NODE_ROWS, Nodes
from nsfwcaps.tables import ARROW, map_table, read_tables
from nsfwcaps.vectors.index import Rows


def captions_of(
    ingest: StageRecord, label: str, ids: pa.ChunkedArray, columns: Sequence[str]
) -> pa.Table:
    """Return the rows of the `safe` or `unsafe` captions for ids `[p]`, in order; null for null.

    Only files are read whose ids have one of them in their range.
    """
    wanted = ids.combine_chunks().unique()
    ends = pc.min_max(wanted)
    least, most = ends["min"].as_py(), ends["max"].as_py()
    paths = ingest.paths(label)
    near = [path for path in paths if least is not None and _holds(path, least, most)]
    found = pa.concat_tables(
        table.filter(pc.is_in(table["id"], value_set=wanted))
        for table in read_tables(near or paths[:1], ["id", *columns])
    )
    spots = pc.index_in(ids.combine_chunks(), value_set=found["id"].combine_chunks())
    return found.take(spots)


def _holds(path: Path, least: str, most: str) -> bool:
    """Whether a file of captions may have an id of a range."""
    low, high = _range(path)
    return low is not None and high is not None and low <= most and least <= high


@lru_cache(maxsize=1 << 16)
def _range(path: Path) -> tuple[str | None, str | None]:
    (table,) = read_tables([path], ["id"])
    ends = pc.min_max(table["id"])
    return ends["min"].as_py(), ends["max"].as_py()


class NodeCaptions:
    """Columns of the captions of all nodes, kept in mapped files in the order of the nodes.

    The safe captions of a file of pairs are anywhere in the pool. Without this copy, every file of
    pairs would read the whole pool.
    """

    def __init__(
        self, folder: StageFolder, ingest: StageRecord, nodes: Nodes, columns: Sequence[str]
    ) -> None:
        self._tables: list[pa.Table] = []
        starts = [0]
        for label in ("unsafe", "safe"):
            for start in range(0, len(nodes.ids[label]), NODE_ROWS):
                ids = nodes.ids[label].slice(start, NODE_ROWS)
                key = digest([ingest.output_digest, "captions", label, columns, ids.to_pylist()])
                name = f"captions-{label}-{start:09d}-{key[:12]}{ARROW}"
                shard = folder.shard_or(key, partial(_copied, ingest, label, ids, columns, name))
                self._tables.append(map_table(folder.path / shard.files[0].path))
                starts.append(starts[-1] + len(ids))
        self._starts = np.array(starts)

    def take(self, nodes: Rows) -> pa.Table:
        """Return the columns `[m]` of captions, by node; null for −1."""
        there = nodes >= 0
        distinct, place = np.unique(nodes[there], return_inverse=True)
        edges = np.searchsorted(distinct, self._starts)
        parts = [
            table.take(pa.array(distinct[low:high] - start))
            for table, start, low, high in zip(
                self._tables, self._starts[:-1], edges[:-1], edges[1:], strict=True
            )
            if low < high
        ]
        found = pa.concat_tables(parts or [self._tables[0].slice(0, 0)]).combine_chunks()
        spots = np.zeros(len(nodes), dtype=np.int64)
        spots[there] = place
        return found.take(pa.array(spots, mask=~there))


def _copied(
    ingest: StageRecord, label: str, ids: pa.Array, columns: Sequence[str], name: str
) -> ShardFiles:
    found = captions_of(ingest, label, pa.chunked_array([ids]), columns)
    return ShardFiles(contents={("captions", name): found.select([*columns])}, rows_in=len(ids))
