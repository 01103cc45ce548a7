"""mine, shared by several processes: the search, then the weights of the targets.

    search    blocks of unsafe captions; or, of a safe pool in partitions, (block, partition)
    merge     only of partitions: the nearest of each block over all partitions
    hubness   blocks of targets against all unsafe captions

Choosing among the candidates and writing the pairs is left to the driver: it takes no products.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.progress import Advance
from nsfwcaps.sharing import Part, Phase, require_made
from nsfwcaps.stages.mine.settings import MineSettings

if TYPE_CHECKING:  # they import numpy and FAISS
    from nsfwcaps.mining.search import Block
    from nsfwcaps.vectors.nearest import HeldTable

SEARCH, MERGE, HUBNESS = "search", "merge", "hubness"


def phases(
    settings: MineSettings, folder: StageFolder, inputs: Mapping[str, StageRecord]
) -> Iterator[Phase]:
    """Yield the phases of an exact search."""
    from nsfwcaps.mining.candidates import spans
    from nsfwcaps.mining.targets import target_blocks_of
    from nsfwcaps.stages.mine.pools import read_vectors
    from nsfwcaps.stages.mine.prepare import partition_rows, prepared

    ready = prepared(settings, folder, inputs["embed"], read_vectors(inputs["embed"]))
    blocks = len(spans(ready.space, ready.depth))
    safe, unsafe = ready.space.safe.rows, ready.space.unsafe.rows
    rows = (
        safe
        if ready.space.partition_rows is None
        else partition_rows(safe, settings.partitions or 1)
    )
    partitions = -(-safe // rows)
    looks_back = ready.method.weighing.looks_back
    yield Phase(
        name=SEARCH,
        shards=blocks * partitions,
        rows=unsafe * partitions,
        held=partitions,
        then_wait=looks_back or partitions > 1,
    )
    if partitions > 1:
        yield Phase(name=MERGE, shards=blocks, rows=unsafe, then_wait=looks_back)
    if looks_back:
        shards = target_blocks_of(safe)
        yield Phase(name=HUBNESS, shards=shards, rows=safe, unit="targets")


def settled(settings: MineSettings, agreed: Mapping[str, Any]) -> MineSettings:
    """Name the block and the number of partitions that the workers have chosen."""
    return replace(settings, block=agreed["block"], partitions=agreed["partitions"])


class MineShares:
    """The vectors of both sides, the safe ones held for all parts."""

    def __init__(
        self, settings: MineSettings, folder: StageFolder, inputs: Mapping[str, StageRecord]
    ) -> None:
        from nsfwcaps.mining.candidates import ExactSearch, spans
        from nsfwcaps.stages.mine.pools import read_vectors
        from nsfwcaps.stages.mine.prepare import partition_rows, prepared

        embed = inputs["embed"]
        tables = read_vectors(embed)
        self._ready = prepared(settings, folder, embed, tables)
        space, depth = self._ready.space, self._ready.depth
        self._search = ExactSearch(space, depth)
        rows = partition_rows(space.safe.rows, len(self._search.parts))
        partitions = -(-space.safe.rows // rows)
        if partitions > 1 and settings.partitions is None:
            space = replace(space, partition_rows=rows)
            self._ready = replace(self._ready, space=space)
            self._search = ExactSearch(space, depth)
        (start, stop), *_ = spans(space, depth)
        self._sizes = {"block": stop - start, "partitions": partitions}

    @property
    def agreed(self) -> Mapping[str, Any]:
        """Unsafe captions in a block, and partitions of the safe pool."""
        return self._sizes

    def make(self, phase: str, part: Part, advance: Advance) -> None:
        """Search, merge or weigh every n-th block."""
        from nsfwcaps.mining.candidates import spans
        from nsfwcaps.mining.search import find_some, merge_parts, weigh_some

        space, depth, memo = self._ready.space, self._ready.depth, self._ready.memo
        blocks = spans(space, depth)
        if phase == SEARCH:
            find_some(space, depth, self._search, part, memo=memo, advance=advance)
        elif phase == MERGE:
            for span in part.of(blocks):
                if not memo.knows(span):
                    parts = [memo.knows_part(span, each) for each in self._search.parts]
                    require_made(all(parts), SEARCH)
                    merge_parts([span], self._search, depth, memo)
                advance(span[1] - span[0])
        else:
            weighing = self._ready.method.weighing
            targets = part.of(self._targets)
            weigh_some(space, targets, weighing, self._pool, memo=memo, advance=advance)

    @cached_property
    def _targets(self) -> list[Block]:
        """All blocks of targets, from the candidates that all parts have found."""
        from nsfwcaps.mining.candidates import spans
        from nsfwcaps.mining.targets import target_blocks, targets_among

        self._search.close()
        ready = self._ready
        there = [ready.memo.knows(span) for span in spans(ready.space, ready.depth)]
        require_made(all(there), SEARCH)
        return [*target_blocks(targets_among(ready.memo.candidates(), ready.space.safe.rows))]

    @cached_property
    def _pool(self) -> HeldTable:
        space = self._ready.space
        return space.hold(space.unsafe, self._ready.method.weighing.depth)


def open_shares(
    settings: MineSettings, folder: StageFolder, inputs: Mapping[str, StageRecord]
) -> MineShares:
    """Open the vectors."""
    return MineShares(settings, folder, inputs)
