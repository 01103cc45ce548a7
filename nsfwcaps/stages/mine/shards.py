"""mine: intermediate results of a search, on disk.

    candidates-*.parquet   candidates [block, depth] of unsafe captions
    targets-*.parquet      penalty and reach of safe captions

Both are temporary: a killed run resumes from them, a finished run removes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder
from nsfwcaps.config import digest
from nsfwcaps.mining.candidates import Candidates, Found
from nsfwcaps.mining.targets import Weights
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.columns import from_column, to_column
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.nearest import Neighbours

VERSION = 1


class ShardMemo:
    """Cache of blocks, stored as shards in the stage folder.

    `content` is the digest of the vectors of both sides.
    """

    def __init__(
        self, folder: StageFolder, settings: MineSettings, *, content: str, depth: int
    ) -> None:
        self._folder = folder
        self._shards: list[Shard] = []
        how = [
            *(settings.index, settings.index_parameters),
            *(settings.min_recall, settings.recall_sample),
        ]
        self._candidates_key = [VERSION, content, depth, how if settings.index else None]
        how = [settings.rank, settings.csls_k, settings.beta, settings.reciprocal]
        self._targets_key = [VERSION, content, depth, settings.index, how]

    def find(self, start: int, stop: int, find: Callable[[], Found]) -> bool:
        """Write the candidates of a block; return False if an earlier run did."""
        key = digest(["candidates", *self._candidates_key, start, stop])
        known = self._folder.shard(key)
        if known is not None:
            self._shards.append(known)
            return False

        def search() -> ShardTables:
            found, facts = find()
            table = _candidate_table(found)
            return ShardTables(
                tables={("candidates", f"candidates-{start:09d}"): table},
                rows_in=stop - start,
                facts=facts,
            )

        self._shards.append(self._folder.make_shard(key, search))
        return True

    def candidates(self) -> Candidates:
        """Return the candidates of all blocks."""
        return _WrittenCandidates(self._folder, self._shards)

    def weigh(self, start: int, rows: Rows, weigh: Callable[[], Weights]) -> Weights:
        """Return the weights of a block of targets; compute them if no earlier run did."""

        def targets() -> ShardTables:
            penalty, reach = weigh()
            columns = {"safe_row": rows, "penalty": penalty, "reach": reach}
            table = pa.table(columns, schema=schema.TARGETS)
            named = {("targets", f"targets-{start:09d}"): table}
            return ShardTables(tables=named, rows_in=len(rows))

        key = digest(["targets", *self._targets_key, start, digest(rows.tolist())])
        shard = self._folder.shard_or(key, targets)
        table = next(read_tables([self._folder.path / shard.files[0].path]))
        return np.asarray(table["penalty"]), np.asarray(table["reach"])


class _WrittenCandidates:
    """Candidate shards, read back one at a time."""

    def __init__(self, folder: StageFolder, shards: Sequence[Shard]) -> None:
        self._paths = [folder.path / file.path for shard in shards for file in shard.files]
        self.facts: Mapping[str, Any] = {
            name: fact for shard in shards for name, fact in shard.facts.items()
        }

    def __iter__(self) -> Iterator[tuple[int, Neighbours]]:
        first = 0
        for table in read_tables(self._paths):
            rows, sims = (from_column(table[name]) for name in ("safe_rows", "sims"))
            yield first, Neighbours(sims=sims, rows=rows)
            first += len(rows)


def _candidate_table(found: Neighbours) -> pa.Table:
    depth = found.rows.shape[1]
    columns = [to_column(found.rows), to_column(found.sims)]
    return pa.Table.from_arrays(columns, schema=schema.candidates(depth))
