"""mine: intermediate results of a search, on disk.

    candidates-*.parquet   candidates [block, depth] of unsafe captions
    parts-*.parquet        the same for one part of the safe captions, where a GPU holds only parts
    targets-*.parquet      penalty and reach of safe captions

All are temporary: a killed run resumes from them, a finished run removes them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder
from nsfwcaps.config import digest
from nsfwcaps.mining.candidates import Candidates, Found, Span
from nsfwcaps.mining.targets import Weights
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.columns import from_column, to_column
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.nearest import Neighbours, PartNeighbours

VERSION = 2


class ShardMemo:
    """Cache of blocks, stored as shards in the stage folder.

    `content` is the digest of what is searched: the vectors, the similarity, and their rows.
    """

    def __init__(
        self, folder: StageFolder, settings: MineSettings, *, content: str, depth: int
    ) -> None:
        self._folder = folder
        self._shards: dict[Span, Shard] = {}
        self._parts: dict[tuple[Span, Span], Shard] = {}
        how = [
            *(settings.index, settings.index_parameters),
            *(settings.min_recall, settings.recall_sample),
        ]
        self._candidates_key = [VERSION, content, depth, how if settings.index else None]
        how = [settings.rank, settings.csls_k, settings.beta, settings.reciprocal]
        self._targets_key = [VERSION, content, depth, settings.index, how]

    def knows(self, span: Span) -> bool:
        """Return whether an earlier run wrote the candidates of a block."""
        known = self._folder.shard(self._key(span))
        if known is not None:
            self._shards[span] = known
        return known is not None

    def find(self, span: Span, find: Callable[[], Found]) -> None:
        """Write the candidates of a block."""

        def search() -> ShardTables:
            found, facts = find()
            return ShardTables(
                tables={("candidates", f"candidates-{span[0]:09d}"): _candidate_table(found)},
                rows_in=span[1] - span[0],
                facts=facts,
            )

        self._shards[span] = self._folder.make_shard(self._key(span), search)

    def knows_part(self, span: Span, part: Span) -> bool:
        """Return whether an earlier run wrote the nearest rows of a part for a block."""
        known = self._folder.shard(self._key(span, part))
        if known is not None:
            self._parts[span, part] = known
        return known is not None

    def find_part(self, span: Span, part: Span, find: Callable[[], PartNeighbours]) -> None:
        """Write the nearest rows of a part for a block."""
        stem = f"parts-{span[0]:09d}-{part[0]:09d}"

        def search() -> ShardTables:
            table = _part_table(find())
            return ShardTables(tables={("parts", stem): table}, rows_in=span[1] - span[0])

        self._parts[span, part] = self._folder.make_shard(self._key(span, part), search)

    def parts(self, span: Span, parts: Sequence[Span]) -> list[PartNeighbours]:
        """Read the nearest rows of each part for a block."""
        shards = [self._parts[span, part] for part in parts]
        paths = [self._folder.path / file.path for shard in shards for file in shard.files]
        found = []
        for table in read_tables(paths):
            rows, sims = (from_column(table[name]) for name in ("safe_rows", "sims"))
            found.append(PartNeighbours(sims=sims, rows=rows))
        return found

    def candidates(self) -> Candidates:
        """Return the candidates of all blocks."""
        return _WrittenCandidates(
            self._folder, [self._shards[span] for span in sorted(self._shards)]
        )

    def knows_weights(self, start: int, rows: Rows) -> bool:
        """Return whether an earlier run wrote the weights of a block of targets."""
        return self._folder.shard(self._weights_key(start, rows)) is not None

    def weigh(self, start: int, rows: Rows, weigh: Callable[[], Weights | None]) -> Weights:
        """Return the weights of a block of targets; compute them if no earlier run did."""

        def targets() -> ShardTables:
            weights = weigh()
            assert weights is not None, "no earlier run wrote them"
            penalty, reach = weights
            columns = {"safe_row": rows, "penalty": penalty, "reach": reach}
            table = pa.table(columns, schema=schema.TARGETS)
            named = {("targets", f"targets-{start:09d}"): table}
            return ShardTables(tables=named, rows_in=len(rows))

        shard = self._folder.shard_or(self._weights_key(start, rows), targets)
        table = next(read_tables([self._folder.path / shard.files[0].path]))
        return np.asarray(table["penalty"]), np.asarray(table["reach"])

    def scratch(self) -> BinaryIO:
        """Open a temporary file in the stage folder; it has no name, so a kill leaves none."""
        return cast(BinaryIO, tempfile.TemporaryFile(dir=self._folder.path))

    def _key(self, span: Span, part: Span | None = None) -> str:
        name = "candidates" if part is None else "parts"
        return digest([name, *self._candidates_key, *span, *(part or ())])

    def _weights_key(self, start: int, rows: Rows) -> str:
        return digest(["targets", *self._targets_key, start, digest(rows.tolist())])


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


def _part_table(found: PartNeighbours) -> pa.Table:
    depth = found.rows.shape[1]
    columns = [to_column(found.rows), to_column(found.sims)]
    return pa.Table.from_arrays(columns, schema=schema.part_candidates(depth))
