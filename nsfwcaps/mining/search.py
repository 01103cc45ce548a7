"""The two passes over the vectors: candidates, and weights of targets.

    parts of the safe rows, each uploaded once ─ all blocks of unsafe rows ─▶ memo ─▶ candidates
    the unsafe rows ─ all blocks of targets ─▶ memo ─▶ weights

The outer loop is over parts of the safe rows, as large as a device holds; the inner one is over
blocks of queries. With one part, each GPU holds a copy and takes every n-th block of queries. With
more, each GPU takes every n-th part; the memo keeps the results of every (part, block), and those
of a block are merged after all parts. A lane for each GPU computes ahead on its own thread; the
memo, which may write files, is used from this thread only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TypeVar

from nsfwcaps.mining.candidates import Candidates, CandidateSearch, Found, Span, Task, spans
from nsfwcaps.mining.lanes import spread
from nsfwcaps.mining.memo import Memo
from nsfwcaps.mining.space import Space
from nsfwcaps.mining.targets import (
    TargetWeights,
    Weighing,
    Weights,
    target_blocks,
    targets_among,
    unweighed,
)
from nsfwcaps.progress import Advance, Progress
from nsfwcaps.sharing import Part
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.nearest import HeldTable, PartNeighbours, merge
from nsfwcaps.work import Work, WorkSplit

R = TypeVar("R")

Block = tuple[int, Rows]
"""Targets: position of the first, and rows."""


def find_candidates(
    space: Space, depth: int, search: CandidateSearch, *, memo: Memo, progress: Progress
) -> Candidates:
    """Search every block of unsafe rows that has not been searched yet."""
    blocks = spans(space, depth)
    missing = [span for span in blocks if not memo.knows(span)]
    # Every block of unsafe rows scans all safe rows; progress counts the safe rows.
    known = (len(blocks) - len(missing)) * space.safe.rows
    total = len(blocks) * space.safe.rows
    with progress.task("mine: search", total, done=known, split=search.split) as advance:
        if missing:
            lanes = _Lanes(search, advance, threads=space.device.resident)
            if len(search.parts) == 1:
                _find_whole(lanes, missing, depth, memo)
            else:
                _find_in_parts(lanes, _tasks_in_parts(search, missing), memo)
                merge_parts(missing, search, depth, memo)
    return memo.candidates()


def find_some(
    space: Space, depth: int, search: CandidateSearch, part: Part, *, memo: Memo, advance: Advance
) -> None:
    """Search some blocks of unsafe rows, for a share of the work; progress counts unsafe rows.

    Where the safe rows are searched in parts, the number of shares is a multiple of theirs: so a
    worker holds one part for a share.
    """
    lanes = _Lanes(search, _silent, threads=space.device.resident)
    blocks = spans(space, depth)
    if len(search.parts) == 1:
        for span in part.of(blocks):
            if not memo.knows(span):
                _find_whole(lanes, [span], depth, memo)
            advance(span[1] - span[0])
        return
    grid = [Task(span=span, part=held) for span in blocks for held in range(len(search.parts))]
    for task in part.of(grid):
        if not memo.knows_part(task.span, search.parts[task.part]):
            _find_in_parts(lanes, [(0, task)], memo)
        advance(task.span[1] - task.span[0])


class _Lanes:
    """Runs the tasks of a search on its lanes, and counts their rows."""

    def __init__(self, search: CandidateSearch, advance: Advance, *, threads: bool) -> None:
        self.search = search
        self._advance, self._threads = advance, threads

    def run(
        self,
        tasks: Sequence[tuple[int, Task]],
        keep: Callable[[Task, Callable[[], PartNeighbours]], None],
    ) -> None:
        """Store the result of each (lane, task) with `keep`, in order."""
        search = self.search
        step: Advance = _silent if self._threads else self._advance
        found = spread(
            tasks,
            lambda lane, task: search.find(task, lane, step),
            lanes=search.lanes,
            threads=self._threads,
        )
        with closing(found):  # stops the lanes if storing fails
            for task, result in found:
                _store(partial(keep, task), result, search.split)
                if self._threads:
                    start, stop = search.parts[task.part]
                    self._advance(stop - start)


def _silent(rows: int) -> None:
    """Count nothing: the rows are counted when the result arrives."""


def _store(
    keep: Callable[[Callable[[], R]], None], result: Callable[[], R], split: WorkSplit
) -> None:
    """Compute or await a result and store it; only the latter counts as writing."""
    waited = 0.0

    def timed() -> R:
        nonlocal waited
        start = time.monotonic()
        found = result()
        waited = time.monotonic() - start
        return found

    start = time.monotonic()
    keep(timed)
    split.add(Work.WRITE, time.monotonic() - start - waited)


def _find_whole(lanes: _Lanes, missing: Sequence[Span], depth: int, memo: Memo) -> None:
    """Search all safe rows at once, for one block after the other."""
    search = lanes.search

    def keep(task: Task, result: Callable[[], PartNeighbours]) -> None:
        memo.find(task.span, lambda: (merge([result()], depth), search.facts))

    lanes.run(
        [(number % search.lanes, Task(span=span)) for number, span in enumerate(missing)], keep
    )


def _tasks_in_parts(search: CandidateSearch, missing: Sequence[Span]) -> list[tuple[int, Task]]:
    """List what is to be done, part after part, each for all blocks; with lanes."""
    tasks = []
    for start in range(0, len(search.parts), search.lanes):
        beside = range(start, min(start + search.lanes, len(search.parts)))
        for span in missing:
            tasks += [(part - start, Task(span=span, part=part)) for part in beside]
    return tasks


def _find_in_parts(lanes: _Lanes, tasks: Sequence[tuple[int, Task]], memo: Memo) -> None:
    """Search parts for blocks, each by its lane, as far as the memo does not know the result."""
    parts = lanes.search.parts
    missing = [each for each in tasks if not memo.knows_part(each[1].span, parts[each[1].part])]

    def keep(task: Task, result: Callable[[], PartNeighbours]) -> None:
        memo.find_part(task.span, parts[task.part], result)

    lanes.run(missing, keep)


def merge_parts(blocks: Sequence[Span], search: CandidateSearch, depth: int, memo: Memo) -> None:
    """Merge what the parts gave for each block: exact cosines, ties by row, whoever found them."""
    for span in blocks:
        memo.find(span, partial(_merged, memo, span, depth, search))


def _merged(memo: Memo, span: Span, depth: int, search: CandidateSearch) -> Found:
    return merge(memo.parts(span, search.parts), depth), search.facts


def weigh_targets(
    space: Space, candidates: Candidates, weighing: Weighing, *, memo: Memo, progress: Progress
) -> TargetWeights:
    """Weigh every candidate target by its similarity to the unsafe rows."""
    weighed = unweighed(space.safe.rows)
    if not weighing.looks_back:
        return weighed
    rows = targets_among(candidates, space.safe.rows)
    pool = space.hold(space.unsafe, weighing.depth)
    blocks = [*target_blocks(rows)]
    with (
        closing(pool),
        progress.task("mine: hubness", len(rows), split=pool.split) as advance,
    ):
        for part, weights in _weights(space, pool, weighing, blocks, memo):
            weighed.penalty[part], weighed.reach[part] = weights
            advance(len(part))
    return weighed


def weigh_some(
    space: Space,
    blocks: Sequence[Block],
    weighing: Weighing,
    pool: HeldTable,
    *,
    memo: Memo,
    advance: Advance,
) -> None:
    """Weigh some blocks of targets, for a share of the work; the pool holds the unsafe rows."""
    for part, _ in _weights(space, pool, weighing, blocks, memo):
        advance(len(part))


def _weights(
    space: Space, pool: HeldTable, weighing: Weighing, blocks: Sequence[Block], memo: Memo
) -> Iterator[tuple[Rows, Weights]]:
    """Yield the rows and the weights of every block; compute those that the memo lacks."""

    def weigh(lane: int, block: Block) -> Weights | None:
        if block[0] in known:
            return None
        return weighing.weigh(pool, space.safe.take(block[1]), lane=lane)

    known = {start for start, part in blocks if memo.knows_weights(start, part)}
    tasks = [(number % pool.lanes, block) for number, block in enumerate(blocks)]
    found = spread(tasks, weigh, lanes=pool.lanes, threads=space.device.resident)
    with closing(found):
        for (start, part), result in found:
            yield part, memo.weigh(start, part, result)
