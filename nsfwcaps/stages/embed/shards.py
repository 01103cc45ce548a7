"""embed, shards: each is prepared ahead, encoded, and stored behind.

    read, tokenise (a thread) ─▶ send to the device (this thread) ─▶ wait, write (a thread)

At most two shards are prepared ahead and three are encoded but not stored. Of the one that is being
encoded, rows are kept from time to time (`stages.kept`), so a kill loses less than a minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import OutputFile, Shard, ShardTables, StageFolder, StageRecord
from nsfwcaps.encoders.encoder import Encoded, Encoder
from nsfwcaps.encoders.keeping import Keeper
from nsfwcaps.progress import Advance
from nsfwcaps.runtime.behind import behind
from nsfwcaps.runtime.prefetch import prefetch
from nsfwcaps.stages.embed.known import Known, Reused
from nsfwcaps.stages.kept import KeptShard
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.columns import vector_table
from nsfwcaps.work import Work, WorkSplit

# Of the files of vectors; it rises with the stage's VERSION only if the vectors change.
VECTORS_VERSION = 1
_WAITING = 2

Inputs = TypeVar("Inputs")

Waiting = Callable[[], Encoded]
"""Waits for what the device is encoding."""


@dataclass(frozen=True, kw_only=True)
class PreparedShard(Generic[Inputs]):
    """A shard that was read, and what is still to be encoded of it."""

    key: str
    file: OutputFile
    rows: pa.Table
    """Rows `[n]` that can be encoded."""
    reused: Reused
    inputs: Inputs
    rejects: dict[str, str]
    """Ids of the other rows, with the reasons."""


class Shards(Protocol[Inputs]):
    """Shards of one kind, in three steps."""

    def prepare(self, file: OutputFile) -> PreparedShard[Inputs] | Shard:
        """Read the rows of a file of ingest; return its shard if an earlier run finished it."""
        ...

    def inputs(self, work: PreparedShard[Inputs]) -> str:
        """Return the digest of the inputs that are to be encoded."""
        ...

    def encode(self, work: PreparedShard[Inputs], advance: Advance, keeper: Keeper) -> Waiting:
        """Begin to encode the rows that no earlier run has encoded."""
        ...

    def store(self, work: PreparedShard[Inputs], waiting: Waiting) -> Shard:
        """Wait for the vectors, and write them and the rejects."""
        ...


def embed(
    shards: Shards[Inputs], files: Sequence[OutputFile], folder: StageFolder, advance: Advance
) -> list[Shard]:
    """Take files through the three steps; return their shards in the same order.

    After an error, the shards that were encoded are still stored, and so are rows of the last one.
    """

    def store(work: PreparedShard[Inputs], waiting: Waiting, keeper: KeptShard) -> Shard:
        shard = shards.store(work, waiting)
        keeper.discard()
        return shard

    made: list[Shard | Future[Shard]] = []
    with behind(_WAITING) as later, closing(prefetch(files, shards.prepare, 1)) as ahead:
        for file, work in ahead:
            if isinstance(work, Shard):
                advance(file.rows)
                made.append(work)
                continue
            advance(file.rows - len(work.reused.missing))
            keeper = KeptShard(folder, shards.inputs(work), later)
            waiting = shards.encode(work, advance, keeper)
            made.append(later(partial(store, work, waiting, keeper)))
    return [item if isinstance(item, Shard) else item.result() for item in made]


class ShardWriter:
    """Where the shards of one run come from and go to."""

    def __init__(
        self, folder: StageFolder, ingest: StageRecord, encoder: Encoder, split: WorkSplit
    ) -> None:
        self.folder, self.encoder, self.split = folder, encoder, split
        self._ingest = ingest
        self.digest = encoder.identity.digest
        self.known = Known(folder, self.digest)
        self._maker = maker(encoder.identity.name, encoder.identity.precision)
        self.encoded = 0
        """Rows that were encoded, and not reused."""

    def read(self, file: OutputFile, columns: Sequence[str]) -> pa.Table:
        """Read columns of a file of ingest."""
        with self.split.timed(Work.READ):
            return next(read_tables([self._ingest.folder / file.path], columns))

    def write(
        self,
        group: str,
        work: PreparedShard[Inputs],
        encoded: Encoded,
        wanted: pa.Schema,
        *,
        counts_rejects: bool,
    ) -> Shard:
        """Write the vectors with the other columns of the schema, and the rejects."""
        self.encoded += len(work.reused.missing)
        vectors, failed = work.reused.completed(encoded)
        rows = without(work.rows, failed)
        ids = work.rows[wanted.names[0]]
        rejects = {ids[row].as_py(): reason for row, reason in failed.items()} | work.rejects
        stem = Path(work.file.path).stem.rpartition("-")[0]
        columns = {name: rows[name].combine_chunks() for name in wanted.names if name != "vector"}
        tables = {(group, stem): vector_table(wanted, columns, vectors, self.digest)}
        if rejects:
            ordered = sorted(rejects.items())
            tables["rejects", f"rejects-{stem}"] = pa.table(
                {"id": [item for item, _ in ordered], "reason": [why for _, why in ordered]},
                schema=schema.REJECTED_IDS,
            )
        made = ShardTables(
            tables=tables,
            rows_in=work.file.rows,
            rejects=dict(sorted(Counter(rejects.values()).items())) if counts_rejects else {},
            facts={"encoder": self.digest, "group": group, "model": self._maker},
        )
        return self.folder.make_shard(work.key, lambda: made)


def maker(label: str, precision: str) -> str:
    """Return what the journal names as the maker of vectors, for plans that load no model."""
    return f"{label}, {precision}"


def without(table: pa.Table, rows: Iterable[int]) -> pa.Table:
    """Return a table without some of its rows."""
    left = np.ones(table.num_rows, dtype=np.bool_)
    left[list(rows)] = False
    return table if left.all() else table.filter(pa.array(left))
