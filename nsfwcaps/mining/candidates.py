"""The nearest safe rows of every unsafe row, block by block.

unsafe rows ─ blocks ─ search among all safe rows ─▶ candidates [q, depth]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from nsfwcaps.errors import ConfigError
from nsfwcaps.mining.space import Space
from nsfwcaps.progress import Advance
from nsfwcaps.vectors.index import GPU_MAX_K, BlockSearch
from nsfwcaps.vectors.nearest import EXTRA, Neighbours, nearest

_DEFAULT_DEPTH = 100

Found = tuple[Neighbours, Mapping[str, Any]]
"""Candidates of a block of unsafe rows, and facts: the index and its recall."""

Find = Callable[[int, int, Advance], Found]
"""Search for the unsafe rows `[start, stop)`, reporting progress in safe rows."""


class Candidates(Protocol):
    """Candidates of all unsafe rows, read block by block and more than once."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """How they were found: the index and its recall."""
        ...

    def __iter__(self) -> Iterator[tuple[int, Neighbours]]:
        """Yield (first unsafe row, rows and sims `[q, depth]`, best first)."""
        ...


def candidate_depth(safe_rows: int, *, k: int, candidates: int | None) -> int:
    """Candidates per unsafe row: the requested number, else max(100, 2 k)."""
    return min(candidates or max(_DEFAULT_DEPTH, 2 * k), safe_rows)


def check_depth(device: BlockSearch, *, k: int, candidates: int | None) -> None:
    """Reject more neighbours than a GPU search can return.

    Raises:
        ConfigError: k or `candidates` exceeds the limit.
    """
    depth, most = max(candidates or 0, 2 * k), GPU_MAX_K - EXTRA
    if device.gpu and depth > most:
        raise ConfigError(
            f"mine: FAISS finds at most {most} candidates on a GPU, got a request for {depth}; "
            "lower --k and --candidates, or use --device cpu"
        )


def spans(space: Space, depth: int) -> list[tuple[int, int]]:
    """Split the unsafe rows into ranges `[start, stop)`, each searched at once."""
    size = space.blocks(depth).queries
    starts = range(0, space.unsafe.rows, size)
    return [(start, min(start + size, space.unsafe.rows)) for start in starts]


def exact_search(space: Space, depth: int) -> Find:
    """Search by brute force over all safe rows."""
    block_rows = space.blocks(depth).rows

    def find(start: int, stop: int, advance: Advance) -> Found:
        found = nearest(
            space.unsafe.read(start, stop),
            space.safe,
            depth,
            search=space.device,
            block_rows=block_rows,
            advance=advance,
            exact=True,
        )
        return found, {"index": "exact", "recall": 1.0}

    return find
