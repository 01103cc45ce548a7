"""Safe items from the pool, which are preserved by pairs without a partner.

A pair's safe item is what the model must keep. A partner is one; a mined target is a poor one,
because few safe items are targets of anything. So pairs without a partner take items of the pool in
turn: each epoch goes on where the one before ended, until the pool starts again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nsfwcaps.training.pairs import ItemRows, Rows, TrainingPairs
from nsfwcaps.training.repeats import item_keys


@dataclass(frozen=True, kw_only=True)
class PreservationPool:
    """Safe items `[n]` in the order in which they are used, and the pairs that use them."""

    items: ItemRows
    takes: npt.NDArray[np.bool_]
    """Whether each pair `[p]` takes its safe item from the pool."""


def drawn(count: int, wanted: int, seed: int) -> Rows:
    """The first `wanted` of `count` items in an order that depends on the seed."""
    # Key 0: those from 1 on are the sampler's, one for each epoch.
    stream = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(0,)))
    return np.argsort(stream.random_raw(count), kind="stable")[:wanted]


class Preservation:
    """Gives pairs a safe item of the pool, by the batches of each epoch.

    An item waits for the next batch if the batch already preserves an equal one. A batch repeats an
    item only if the pool has no other.
    """

    def __init__(
        self,
        pairs: TrainingPairs,
        pool: PreservationPool,
        batches: Callable[[int], Sequence[Rows]],
    ) -> None:
        """`batches` gives those of an epoch; the pool must not be empty."""
        self._pairs, self._pool, self._batches = pairs, pool, batches
        captions = [*pairs.safe_captions, *pool.items.captions]
        keys = item_keys(captions, np.concatenate([pairs.safe_image, pool.items.image]))
        self._own, self._keys = keys[: len(pairs)].tolist(), keys[len(pairs) :].tolist()
        self._restart()

    def epoch(self, number: int) -> TrainingPairs:
        """The pairs of an epoch; a pair outside its batches keeps the safe item it came with."""
        self.go_to(number)
        return self._with(self._chosen)

    def go_to(self, number: int) -> None:
        """Give the items of all epochs up to this one; 0 is before the first."""
        if number < self._done:
            self._restart()
        while self._done < number:
            self._done += 1
            self._chosen.clear()
            for batch in self._batches(self._done):
                self._fill(batch.tolist())

    @property
    def used(self) -> int:
        """Number of items of the pool that were used so far."""
        return len(self._used)

    def _restart(self) -> None:
        self._queue = deque(range(len(self._pool.items)))
        self._done = 0
        self._chosen: dict[int, int] = {}  # item of every pair of the latest epoch
        self._used: set[int] = set()

    def _fill(self, batch: list[int]) -> None:
        taking = [row for row in batch if self._pool.takes[row]]
        held = {self._own[row] for row in batch if not self._pool.takes[row]}
        waiting: list[int] = []
        for row in taking:
            while self._queue and self._keys[self._queue[0]] in held:
                waiting.append(self._queue.popleft())
            # Nothing is left that the batch does not have: repeat what has waited longest.
            item = self._queue.popleft() if self._queue else waiting.pop(0)
            self._chosen[row] = item
            self._used.add(item)
            held.add(self._keys[item])
            self._queue.append(item)
        self._queue.extendleft(reversed(waiting))

    def _with(self, chosen: dict[int, int]) -> TrainingPairs:
        pairs, items = self._pairs, self._pool.items
        captions = [*pairs.safe_captions]
        text, image = pairs.safe_text.copy(), pairs.safe_image.copy()
        for row, item in chosen.items():
            captions[row] = items.captions[item]
            text[row], image[row] = items.text[item], items.image[item]
        return replace(pairs, safe_captions=captions, safe_text=text, safe_image=image)
