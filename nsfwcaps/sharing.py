"""Shared work: how several processes or machines make the missing shards of one stage.

A stage's `run` is serial code that makes the shards that are not there yet. Its module `shares`
makes some of the same shards, under the same keys, before `run` looks for them. So the result does
not depend on who made what, and whoever dies has its share made by another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.errors import ArtifactError
from nsfwcaps.progress import Advance

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """Part `index` of `count`, counted from zero."""

    index: int
    count: int

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Return every count-th item, so that parts have nearly the same number of each kind.

        >>> Part(1, 3).of("abcdefg")
        'be'
        """
        return items[self.index :: self.count]

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.count}"


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Shards of a stage that do not depend on each other."""

    name: str
    """Shown as progress, such as `embed: captions`."""
    shards: int
    """Number of shards, or an upper bound: more parts would be empty."""
    rows: int | None
    """None if nobody has counted them."""
    unit: str = "rows"
    then_wait: bool = False
    """Whether the next phase needs all shards of this one."""
    held: int = 1
    """Shards that are next to each other need one after the other of so many things that a worker
    holds, such as partitions of a pool. The number of parts is a multiple of it, so that all shards
    of a part need the same one."""

    def rows_of(self, part: Part) -> int | None:
        """Return about how many rows a part has; shards may differ in size.

        >>> [Phase(name="a", shards=4, rows=90).rows_of(Part(n, 3)) for n in range(3)]
        [45, 23, 23]
        """
        if self.rows is None or not self.shards:
            return self.rows
        return -(-self.rows * len(part.of(range(self.shards))) // self.shards)


def require_made(made: bool, phase: str) -> None:
    """Refuse to begin a phase that needs shards of another one.

    Raises:
        ArtifactError: they have gone or were damaged since they were made.
    """
    if not made:
        raise ArtifactError(
            f"shards of {phase} have been removed or damaged since they were made; run the same "
            "command again, and each part of it if there are parts"
        )


class Shares(Protocol):
    """Makes parts of the phases of one stage; holds a model or an index for all of them."""

    @property
    def agreed(self) -> Mapping[str, Any]:
        """What all that share the work must have in common, such as the encoder's digest."""
        ...

    def make(self, phase: str, part: Part, advance: Advance) -> None:
        """Make those shards of a part of a phase that the stage's folder lacks."""
        ...


class SharesModule(Protocol):
    """Interface of a stage's module `shares`. Importing it loads nothing heavy."""

    def phases(
        self, settings: Any, folder: StageFolder, inputs: Mapping[str, StageRecord]
    ) -> Iterator[Phase]:
        """Yield the phases. The next one is asked for once the one before is complete."""
        ...

    def open_shares(
        self, settings: Any, folder: StageFolder, inputs: Mapping[str, StageRecord]
    ) -> Shares:
        """Load what the work needs."""
        ...

    def settled(self, settings: Any, agreed: Mapping[str, Any]) -> Any:
        """Return the settings with what the workers agreed on in place of defaults."""
        ...
