"""Storage for the intermediate results of a search: candidates and target weights.

`InMemory` keeps them in lists. The mine stage keeps them on disk, so that a killed search resumes
and only one block is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from nsfwcaps.mining.candidates import Candidates, Found
from nsfwcaps.mining.targets import Weights
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.nearest import Neighbours


class Memo(Protocol):
    """Stores blocks and computes only the missing ones."""

    def find(self, start: int, stop: int, find: Callable[[], Found]) -> bool:
        """Ensure the candidates of the unsafe rows `[start, stop)`; True if computed now."""
        ...

    def candidates(self) -> Candidates:
        """All candidates, after every block has been found."""
        ...

    def weigh(self, start: int, rows: Rows, weigh: Callable[[], Weights]) -> Weights:
        """Weights of a block of targets; `start` is the position of the first one."""
        ...


class InMemory:
    """Keeps all candidates in memory, 12 bytes each."""

    def __init__(self) -> None:
        self._candidates = _Held()

    def find(self, start: int, stop: int, find: Callable[[], Found]) -> bool:
        """Compute a block of candidates and store it."""
        neighbours, facts = find()
        self._candidates.facts.update(facts)
        self._candidates.blocks.append((start, neighbours))
        return True

    def candidates(self) -> Candidates:
        """The stored candidates."""
        return self._candidates

    def weigh(self, start: int, rows: Rows, weigh: Callable[[], Weights]) -> Weights:
        """Compute the weights of a block of targets; they are not stored."""
        return weigh()


class _Held:
    """Candidates in memory."""

    def __init__(self) -> None:
        self.blocks: list[tuple[int, Neighbours]] = []
        self.facts: dict[str, Any] = {}

    def __iter__(self) -> Iterator[tuple[int, Neighbours]]:
        return iter(self.blocks)
