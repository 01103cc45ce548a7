"""Batches prepared ahead of the device, each by several threads.

    rows of a batch ─▶ captions and pictures, shared out among the threads ─▶ batch ─ in order ─▶

Few batches are in memory, however many threads there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from nsfwcaps.runtime.prefetch import prefetch
from nsfwcaps.runtime.worker_threads import worker_threads
from nsfwcaps.training.pairs import Rows
from nsfwcaps.work import Work, WorkSplit

Each = Callable[..., Iterable[Any]]
"""Applies a function to every item, as `map` does; perhaps on several threads."""

Made = TypeVar("Made")

_RUN = 8
"""Most items that a thread takes at once."""
_PREPARED_AT_ONCE = 2
"""The second keeps the threads busy while the last pictures of the first are prepared."""


def prepared_ahead(
    batches: Iterable[Rows],
    prepare: Callable[[Rows, Each], Made],
    *,
    workers: int,
    alone: bool,
    split: WorkSplit | None = None,
) -> Iterator[tuple[Rows, Made]]:
    """Yield the rows of each batch with what `prepare` makes of them; three batches are in memory.

    `prepare` gets a function that applies another to items on `workers` threads, in order. `alone`
    is that of `worker_threads`. `split` takes the time of the threads.
    """
    times = split or WorkSplit()
    with worker_threads(workers, alone=alone) as pool:

        def each(work: Callable[..., Any], *items: Iterable[Any]) -> Iterable[Any]:
            def done(run: list[tuple[Any, ...]]) -> list[Any]:
                with times.timed(Work.PREPARE, workers):
                    return [work(*call) for call in run]

            calls = list(zip(*items, strict=True))
            size = max(1, min(_RUN, len(calls) // (4 * workers)))
            runs = [calls[start : start + size] for start in range(0, len(calls), size)]
            return itertools.chain.from_iterable(pool.map(done, runs))

        yield from prefetch(batches, lambda rows: prepare(rows, each), _PREPARED_AT_ONCE)
