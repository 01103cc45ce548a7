"""construct, shared: which blocks of requests can be edited at the same time.

What a block asks depends on the candidates of those before it, since a category that has enough
gets no more requests. So blocks are edited in waves. A wave is found by playing the rounds through:
blocks of earlier waves count as they turned out, later ones as if no category became full. It ends
where the first category is likely to. What turns out to be wrong is not used: the stage's own run
asks for other blocks, and makes them.

Each finished block is noted under a key that needs no model, so that the driver finds it too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from nsfwcaps.artifacts import Shard, ShardTables, StageFolder
from nsfwcaps.config import digest, output_settings
from nsfwcaps.construction.editors.editor import EditRequest
from nsfwcaps.enums import Category
from nsfwcaps.progress import Advance
from nsfwcaps.stages.construct.read import SafeItem
from nsfwcaps.stages.construct.requests import requests_of, rounds_of
from nsfwcaps.stages.construct.rounds import Rounds, Selected, select_in_rounds, selected
from nsfwcaps.stages.construct.run import VERSION, sources
from nsfwcaps.stages.construct.settings import ConstructSettings

Block = Sequence[EditRequest]


class Waves:
    """Waves of blocks, counted from one."""

    def __init__(
        self,
        settings: ConstructSettings,
        folder: StageFolder,
        usable: Sequence[SafeItem],
        make: Callable[[Block], Shard] | None = None,
    ) -> None:
        """Plan the edits of the usable captions.

        `make` edits a block of an earlier wave that is not found; without it, waves end there.
        """
        self._settings, self._folder, self._make = settings, folder, make
        self._run = digest([VERSION, sources(settings), output_settings(settings)])
        self._requests = _Replayed(requests_of(settings, usable))
        self._waves: list[list[Block]] = []
        self._earlier: set[str] = set()
        """Keys of the blocks of all waves so far."""
        self._found: dict[str, Shard] = {}
        self._selected: dict[tuple[str, ...], Selected] = {}

    def wave(self, number: int) -> list[Block]:
        """Return the blocks of a wave; empty: nothing is left to share."""
        while len(self._waves) < number:
            blocks = self._next()
            self._waves.append(blocks)
            self._earlier.update(map(self._key, blocks))
        return self._waves[number - 1]

    def note(self, block: Block, shard: Shard) -> None:
        """Note that a block is finished."""
        noted = ShardTables(tables={}, rows_in=0, facts={"block": shard.key})
        self._folder.shard_or(self._key(block), lambda: noted)

    def _next(self) -> list[Block]:
        played = _Played(self._known)
        rounds = rounds_of(self._settings, iter(self._requests), played.edit)
        played.rounds = rounds

        def select(rounds: Rounds) -> Selected:
            if played.unknown:
                raise _WaveEndsError
            blocks = tuple(shard.key for shard in rounds.blocks)
            if blocks not in self._selected:
                self._selected[blocks] = selected(rounds, self._settings, self._folder)
            return self._selected[blocks]

        try:
            select_in_rounds(rounds, select, lambda rows: None)
        except _WaveEndsError:
            lost = self._earlier.intersection(map(self._key, played.unknown))
            return [] if lost else played.unknown
        return []

    def _known(self, block: Block) -> Shard | None:
        """Return a block of an earlier wave."""
        key = self._key(block)
        if key not in self._earlier:  # perhaps of a killed run: others may not see it yet
            return None
        if key not in self._found:
            noted = self._folder.shard(key)
            shard = None if noted is None else self._folder.shard(noted.facts["block"])
            if shard is None and self._make is not None:
                shard = self._make(block)
            if shard is None:
                return None
            self._found[key] = shard
        return self._found[key]

    def _key(self, block: Block) -> str:
        return digest(["block", self._run, [[item.id, item.category] for item in block]])


class _WaveEndsError(Exception):
    """What follows depends on blocks that are not there yet."""


class _Played:
    """The rounds played through once: known blocks, then those of the next wave."""

    rounds: Rounds

    def __init__(self, known: Callable[[Block], Shard | None]) -> None:
        self._known = known
        self.unknown: list[Block] = []
        self._open = Counter[Category]()
        self._likely: dict[Category, float] = {}

    def edit(self, block: Block, advance: Advance) -> Shard:
        """Return a block, or note that it is needed.

        Raises:
            _WaveEndsError: with it, a category probably has enough candidates.
        """
        if not self.unknown and (shard := self._known(block)) is not None:
            return shard
        self.unknown.append(block)
        if self._fills_a_category(block):
            raise _WaveEndsError
        return Shard(
            key="",
            files=(),
            rows_in=len(block),
            rows_out=0,
            rejects={},
            facts={"by_category": {}},
            seconds=0.0,
        )

    def _fills_a_category(self, block: Block) -> bool:
        """Whether some category probably has enough candidates after a block.

        As many as of those known pass; of a category of which none is known, all: the first wave
        is needed for certain.
        """
        rounds = self.rounds
        asked = Counter(request.category for request in block)
        self._open += asked
        found = rounds.candidates
        for category, count in asked.items():
            known = rounds.requests[category] - self._open[category]
            more = count * (found[category] + 1) / (known + 1)
            self._likely[category] = self._likely.get(category, 0.0) + more
        if rounds.all:
            return False
        return any(found[item] + self._likely[item] >= rounds.enough[item] for item in asked)


class _Replayed:
    """Requests that can be gone through again and again; only those asked for are kept."""

    def __init__(self, requests: Iterator[EditRequest]) -> None:
        self._left, self._kept = requests, list[EditRequest]()

    def __iter__(self) -> Iterator[EditRequest]:
        at = 0
        while True:
            if at == len(self._kept):
                item = next(self._left, None)
                if item is None:
                    return
                self._kept.append(item)
            yield self._kept[at]
            at += 1
