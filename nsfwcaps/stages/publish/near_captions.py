"""publish, near-duplicate captions: which captions of all pairs are nearly equal.

Up to `EXACT_NODES` captions, each is compared with all. More are compared where their hashes are
equal (`vectors.hyperplanes`): the time of the former grows with the square of the captions.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from nsfwcaps.artifacts import ShardTables, StageFolder
from nsfwcaps.config import digest, parse_bytes
from nsfwcaps.enums import Device
from nsfwcaps.progress import Progress
from nsfwcaps.stages.publish.settings import PublishSettings
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.bucket_join import Groups, Keys, join_buckets
from nsfwcaps.vectors.hyperplanes import HashPlan, hash_tables, plan_hashes
from nsfwcaps.vectors.index import BlockSearch, Rows
from nsfwcaps.vectors.near_duplicates import near_duplicates, near_rows
from nsfwcaps.vectors.nearest import HeldTable, blocks_for
from nsfwcaps.vectors.store import VectorTable

EXACT_NODES = 250_000
"""Most captions that are all compared with all."""
_BLOCK_ROWS = 16_384
_NEIGHBOURS = 256
_TABLES_AT_ONCE = 4
"""Tables of hashes from one pass over the vectors."""

EDGES = pa.schema([("left", pa.int64()), ("right", pa.int64())])


def hash_plan(settings: PublishSettings, vectors: VectorTable) -> HashPlan | None:
    """Return the tables of hashes to compare captions by; None: compare all with all."""
    if vectors.rows <= EXACT_NODES:
        return None
    return plan_hashes(vectors, settings.near_duplicate)


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
        edges = near_duplicates(pool, start, stop, settings.near_duplicate)
        return _shard(edges, f"edges-{start:09d}", stop - start)

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


def near_by_hashes(
    settings: PublishSettings,
    folder: StageFolder,
    vectors: VectorTable,
    labels: Rows,
    plan: HashPlan,
    content: str,
    progress: Progress,
) -> tuple[Rows, Rows]:
    """Return edges as `near_captions`, only as many as join captions in different groups `[n]`.

    Every edge has an exact cosine of at least the threshold. A pair at the threshold stays
    unconnected with at most the probability of the plan; a closer one more rarely.
    """
    known = Groups(labels)
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    near = partial(near_rows, vectors, threshold=settings.near_duplicate)
    tables = _Tables(vectors, plan)

    def find(number: int) -> ShardTables:
        edges = join_buckets(tables.keys(number), near, Groups(known.labels))
        return _shard(edges, f"edges-hashed-{number:05d}", vectors.rows)

    of = [content, "hashed edges", settings.near_duplicate, plan.bits, plan.tables]
    # An edge in one table spares the next ones: so a table's edges depend on those before.
    with progress.task("publish: split", plan.tables, unit="tables") as advance:
        for number in range(plan.tables):
            shard = folder.shard_or(digest([*of, number]), partial(find, number))
            (found,) = read_tables([folder.path / file.path for file in shard.files])
            left.append(np.asarray(found["left"]))
            right.append(np.asarray(found["right"]))
            known.add(left[-1], right[-1])
            advance(1)
    return np.concatenate(left), np.concatenate(right)


class _Tables:
    """The hashes of all tables, a few tables at a time."""

    def __init__(self, vectors: VectorTable, plan: HashPlan) -> None:
        self._vectors, self._plan = vectors, plan
        self._ready: Iterator[tuple[int, Keys]] = iter(())

    def keys(self, number: int) -> Keys:
        """Return the hashes `[n]` of a table; those of ascending numbers are asked for."""
        for at, keys in self._ready:
            if at == number:
                return keys
        count = min(_TABLES_AT_ONCE, self._plan.tables - number)
        self._ready = hash_tables(self._vectors, self._plan, number, count)
        return next(self._ready)[1]


def _shard(edges: tuple[Rows, Rows], stem: str, rows: int) -> ShardTables:
    table = pa.table(dict(zip(EDGES.names, edges, strict=True)), schema=EDGES)
    return ShardTables(tables={("edges", stem): table}, rows_in=rows)


def search_facts(plan: HashPlan | None) -> dict[str, Any]:
    """Return how near-duplicate captions were searched; empty if all were compared with all."""
    if plan is None:
        return {}
    return {
        "near_duplicate_search": {
            "by": "random hyperplanes",
            "bits": plan.bits,
            "tables": plan.tables,
            "probability": round(plan.probability, 6),
        }
    }
