"""Where a search takes place: the vectors of both sides, a device and a size of memory."""

from __future__ import annotations

from dataclasses import dataclass

from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.nearest import Blocks, blocks_for
from nsfwcaps.vectors.source import VectorSource


@dataclass(frozen=True, kw_only=True)
class Space:
    """Unsafe rows `[u, d]`, which ask, and safe rows `[s, d]`, of which pairs are made."""

    unsafe: VectorSource
    safe: VectorSource
    device: BlockSearch
    memory_bytes: int

    def blocks(self, k: int) -> Blocks:
        """Block sizes of a search for k neighbours within the memory."""
        return blocks_for(self.memory_bytes, self.safe.width, k)
