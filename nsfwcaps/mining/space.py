"""The inputs of a search: vectors of both sides, a device and a memory budget."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.nearest import Blocks, HeldTable, blocks_for
from nsfwcaps.vectors.source import VectorSource

_PRODUCTS_ON_CPU = 750_000_000_000
"""Products of numbers in a block of queries: about half a minute on two cores."""
_LEAST_QUERIES = 512
"""Below this, reading the safe rows for each block would cost more than the products."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """Unsafe rows `[u, d]`, the queries, and safe rows `[s, d]`, the targets."""

    unsafe: VectorSource
    safe: VectorSource
    device: BlockSearch
    memory_bytes: int
    part_rows: int | None = None
    """Rows that a device holds at once; None: as many as fit."""
    partition_rows: int | None = None
    """Rows of each partition of the safe side, if it is searched in partitions on any device."""
    query_rows: int | None = None
    """Unsafe rows searched at once; None: as many as memory and time allow."""

    def blocks(self, k: int) -> Blocks:
        """Block sizes of a search for k neighbours within the memory budget."""
        found = blocks_for(self.memory_bytes, self.safe.width, k)
        if self.device.resident:
            return found
        # A block is what a kill costs: on a CPU, large ones of large pools would take half an hour.
        most = max(_LEAST_QUERIES, _PRODUCTS_ON_CPU // max(1, self.safe.rows * self.safe.width))
        return replace(found, queries=min(found.queries, most))

    def hold(self, table: VectorSource, k: int) -> HeldTable:
        """A side, held on the device for a search for k neighbours."""
        rows = self.part_rows
        if self.partition_rows is not None and table is self.safe:
            rows = min(self.partition_rows, rows or self.partition_rows)
        return HeldTable(table, self.device, block_rows=self.blocks(k).rows, part_rows=rows)
