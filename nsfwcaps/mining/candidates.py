"""The nearest safe rows of every unsafe row, block by block.

unsafe rows ─ blocks ─ search among the safe rows, part by part ─▶ candidates [q, depth]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nsfwcaps.mining.space import Space
from nsfwcaps.progress import Advance
from nsfwcaps.vectors.nearest import Neighbours, PartNeighbours
from nsfwcaps.work import WorkSplit

_DEFAULT_DEPTH = 100
_LEAST_SHARE = 4096
"""Fewer queries would not fill a GPU."""

Found = tuple[Neighbours, Mapping[str, Any]]
"""Candidates of a block of unsafe rows, and facts: the index and its recall."""

Span = tuple[int, int]
"""Rows `[start, stop)`."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A block of unsafe rows to search for in one part of the safe rows."""

    span: Span
    part: int = 0


class CandidateSearch(Protocol):
    """Searches the safe rows, part by part."""

    split: WorkSplit

    @property
    def facts(self) -> Mapping[str, Any]:
        """The index and its recall; complete after the first search."""
        ...

    @property
    def parts(self) -> Sequence[Span]:
        """Ranges of safe rows, each searched on its own."""
        ...

    @property
    def lanes(self) -> int:
        """Number of tasks that may run at the same time, each on a thread of its own."""
        ...

    def find(self, task: Task, lane: int, advance: Advance) -> PartNeighbours:
        """Search, reporting progress in safe rows."""
        ...

    def close(self) -> None:
        """Free memory."""
        ...


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


def spans(space: Space, depth: int) -> list[Span]:
    """Split the unsafe rows into ranges `[start, stop)`, each searched at once.

    They are as many as memory allows, and no more than a device's share, if the space does not say.
    """
    share = -(-space.unsafe.rows // len(space.device.devices))
    size = space.query_rows or min(space.blocks(depth).queries, max(share, _LEAST_SHARE))
    starts = range(0, space.unsafe.rows, size)
    return [(start, min(start + size, space.unsafe.rows)) for start in starts]


class ExactSearch:
    """Brute force over all safe rows, in parts that fit a device."""

    def __init__(self, space: Space, depth: int) -> None:
        self._space, self._depth = space, depth
        self._pool = space.hold(space.safe, depth)
        self.split = self._pool.split
        self.facts: Mapping[str, Any] = {"index": "exact", "recall": 1.0}

    @property
    def parts(self) -> list[Span]:
        """Ranges of safe rows, each searched on its own."""
        return self._pool.parts

    @property
    def lanes(self) -> int:
        """Devices that search at the same time."""
        return self._pool.lanes

    def find(self, task: Task, lane: int, advance: Advance) -> PartNeighbours:
        """Search one part for a block of unsafe rows."""
        queries = self._space.unsafe.read(*task.span)
        return self._pool.nearest_in(task.part, queries, self._depth, lane=lane, advance=advance)

    def close(self) -> None:
        """Free the devices."""
        self._pool.close()
