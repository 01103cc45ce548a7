"""What keeps the intermediate results of a search: candidates, and weights of targets.

In memory they are kept as they are. The mine stage keeps them on disk, so that a killed search
resumes and no more than one block is ever in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from nsfwcaps.mining.candidates import Candidates, Found
from nsfwcaps.mining.targets import Weights
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.nearest import Neighbours


class Memo(Protocol):
    """Keeps blocks, and computes only those that it does not have."""

    def find(self, start: int, stop: int, find: Callable[[], Found]) -> bool:
        """Have the candidates of the unsafe rows `[start, stop)`; True if they were found now."""
        ...

    def candidates(self) -> Candidates:
        """All candidates, once every block has been found."""
        ...

    def weigh(self, start: int, rows: Rows, weigh: Callable[[], Weights]) -> Weights:
        """Weights of a block of targets; `start` is the position of its first."""
        ...


class InMemory:
    """Keeps all candidates in memory, 12 bytes each."""

    def __init__(self) -> None:
        self._candidates = _Held()

    def find(self, start: int, stop: int, find: Callable[[], Found]) -> bool:
        """Find a block of candidates and keep it."""
        neighbours, facts = find()
        self._candidates.facts.update(facts)
        self._candidates.blocks.append((start, neighbours))
        return True

    def candidates(self) -> Candidates:
        """What was found."""
        return self._candidates

    def weigh(self, start: int, rows: Rows, weigh: Callable[[], Weights]) -> Weights:
        """Weigh a block of targets."""
        return weigh()


class _Held:
    """Candidates in memory."""

    def __init__(self) -> None:
        self.blocks: list[tuple[int, Neighbours]] = []
        self.facts: dict[str, Any] = {}

    def __iter__(self) -> Iterator[tuple[int, Neighbours]]:
        return iter(self.blocks)
