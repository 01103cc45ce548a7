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
from collections.abc import Callable, Sequence
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
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.nearest import PartNeighbours, merge
from nsfwcaps.work import Work, WorkSplit

R = TypeVar("R")


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
                _find_in_parts(lanes, missing, depth, memo)
    return memo.candidates()


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


def _find_in_parts(lanes: _Lanes, missing: Sequence[Span], depth: int, memo: Memo) -> None:
    """Search part after part, each for all blocks; then merge the results of each block."""
    search, parts = lanes.search, lanes.search.parts
    tasks = []
    for start in range(0, len(parts), search.lanes):
        beside = range(start, min(start + search.lanes, len(parts)))
        for span in missing:
            tasks += [
                (part - start, Task(span=span, part=part))
                for part in beside
                if not memo.knows_part(span, parts[part])
            ]

    def keep(task: Task, result: Callable[[], PartNeighbours]) -> None:
        memo.find_part(task.span, parts[task.part], result)

    lanes.run(tasks, keep)
    for span in missing:
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

    def weigh(lane: int, block: tuple[int, Rows]) -> Weights | None:
        if block[0] in known:
            return None
        return weighing.weigh(pool, space.safe.take(block[1]), lane=lane)

    blocks = [*target_blocks(rows)]
    known = {start for start, part in blocks if memo.knows_weights(start, part)}
    tasks = [(number % pool.lanes, block) for number, block in enumerate(blocks)]
    found = spread(tasks, weigh, lanes=pool.lanes, threads=space.device.resident)
    with (
        closing(pool),
        closing(found),
        progress.task("mine: hubness", len(rows), split=pool.split) as advance,
    ):
        for (start, part), result in found:
            weights = memo.weigh(start, part, result)
            weighed.penalty[part], weighed.reach[part] = weights
            advance(len(part))
    return weighed
