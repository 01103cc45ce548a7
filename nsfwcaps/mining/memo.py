"""Storage for the intermediate results of a search: candidates and target weights.

`InMemory` keeps them in lists. The mine stage keeps them on disk, so that a killed search resumes
and only one block is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from nsfwcaps.mining.candidates import Candidates, Found, Span
from nsfwcaps.mining.hub_cap import Scratch
from nsfwcaps.mining.targets import Weights
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.nearest import Neighbours, PartNeighbours


class Memo(Protocol):
    """Stores blocks and computes only the missing ones."""

    def knows(self, span: Span) -> bool:
        """Whether the candidates of a block of unsafe rows are stored."""
        ...

    def find(self, span: Span, find: Callable[[], Found]) -> None:
        """Compute and store the candidates of a block."""
        ...

    def knows_part(self, span: Span, part: Span) -> bool:
        """Whether the nearest rows of one part of the safe rows are stored for a block."""
        ...

    def find_part(self, span: Span, part: Span, find: Callable[[], PartNeighbours]) -> None:
        """Compute and store the nearest rows of one part of the safe rows for a block."""
        ...

    def parts(self, span: Span, parts: Sequence[Span]) -> list[PartNeighbours]:
        """The stored nearest rows of each part for a block, which are read once."""
        ...

    def candidates(self) -> Candidates:
        """All candidates, after every block has been found."""
        ...

    def knows_weights(self, start: int, rows: Rows) -> bool:
        """Whether the weights of a block of targets are stored."""
        ...

    def weigh(self, start: int, rows: Rows, weigh: Callable[[], Weights | None]) -> Weights:
        """Weights of a block of targets; `start` is the position of the first one."""
        ...

    @property
    def scratch(self) -> Scratch | None:
        """Where ranked lists are kept for the hub cap; None: in memory."""
        ...


class InMemory:
    """Keeps all candidates in memory, 12 bytes each; 16 while parts are searched."""

    def __init__(self) -> None:
        self._blocks: dict[Span, Neighbours] = {}
        self._parts: dict[tuple[Span, Span], PartNeighbours] = {}
        self._facts: dict[str, Any] = {}
        self.scratch: Scratch | None = None

    def knows(self, span: Span) -> bool:
        """Whether the candidates of a block were found."""
        return span in self._blocks

    def find(self, span: Span, find: Callable[[], Found]) -> None:
        """Compute a block of candidates and store it."""
        self._blocks[span], facts = find()
        self._facts.update(facts)

    def knows_part(self, span: Span, part: Span) -> bool:
        """Whether a part was searched for a block."""
        return (span, part) in self._parts

    def find_part(self, span: Span, part: Span, find: Callable[[], PartNeighbours]) -> None:
        """Compute the nearest rows of a part and store them."""
        self._parts[span, part] = find()

    def parts(self, span: Span, parts: Sequence[Span]) -> list[PartNeighbours]:
        """Hand over what the parts gave."""
        return [self._parts.pop((span, part)) for part in parts]

    def candidates(self) -> Candidates:
        """The stored candidates."""
        return _Held(self._blocks, self._facts)

    def knows_weights(self, start: int, rows: Rows) -> bool:
        """Return False: weights are not stored."""
        return False

    def weigh(self, start: int, rows: Rows, weigh: Callable[[], Weights | None]) -> Weights:
        """Compute the weights of a block of targets; they are not stored."""
        weights = weigh()
        assert weights is not None, "no block is known"
        return weights


class _Held:
    """Candidates in memory."""

    def __init__(self, blocks: dict[Span, Neighbours], facts: dict[str, Any]) -> None:
        self._blocks, self.facts = blocks, facts

    def __iter__(self) -> Iterator[tuple[int, Neighbours]]:
        return iter([(span[0], self._blocks[span]) for span in sorted(self._blocks)])
