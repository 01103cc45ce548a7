"""Batches of images, read and prepared on threads ahead of the device.

Threads suffice, because decoding and resizing in Pillow, resizing in torch and copying in NumPy all
release Python's lock. Each thread writes into the memory that goes to the device.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from nsfwcaps.encoders.encoder import Images
from nsfwcaps.encoders.picture_input import PictureInput, Slot
from nsfwcaps.runtime.worker_threads import worker_threads
from nsfwcaps.work import Work, WorkSplit

if TYPE_CHECKING:
    import torch

MISSING = "image_missing"

_BLOCK_BYTES = 2**25
_BLOCKS = 2
"""Blocks in flight: one at the device, one in preparation."""
_RUN = 8
"""Most images that a thread takes at once."""


@dataclass(frozen=True, kw_only=True)
class PictureBatch:
    """Images next to one another, prepared on the CPU."""

    count: int
    pixels: torch.Tensor | None  # [b, 3, h, w] of those that could be decoded, in order
    failed: dict[int, str]
    """Position among all images to reason."""


class PictureReader:
    """Reads and prepares images for one model."""

    def __init__(self, inputs: PictureInput, *, workers: int, pinned: bool) -> None:
        """Prepare on this many threads; `pinned` memory is for a GPU."""
        self._inputs, self._workers, self._pinned = inputs, workers, pinned

    def batches(
        self, images: Images, units: Callable[[], int], split: WorkSplit
    ) -> Iterator[PictureBatch]:
        """Yield all images in order, in batches of at most `units()`, asked before each batch."""
        blocks: deque[_Block] = deque()
        start = 0
        with worker_threads(self._workers, alone=True) as pool:
            while blocks or start < len(images):
                while len(blocks) < _BLOCKS and start < len(images):
                    block = self._block(start, len(images), units())
                    self._submit(block, pool, images, split)
                    blocks.append(block)
                    start = block.stop
                yield from blocks[0].batches(units)
                blocks.popleft()

    def _block(self, start: int, end: int, units: int) -> _Block:
        """Return memory for the next images: a whole number of batches, or the rest."""
        each = self._inputs.bytes_each
        if each is None:
            return _Block(start, min(start + units, end), None)
        batches = max(1, _BLOCK_BYTES // (each * units))
        stop = min(start + batches * units, end)
        return _Block(start, stop, self._inputs.buffer(stop - start, pinned=self._pinned))

    def _submit(
        self, block: _Block, pool: ThreadPoolExecutor, images: Images, split: WorkSplit
    ) -> None:
        """Start to prepare the images of a block."""
        run = max(1, min(_RUN, (block.stop - block.start) // (4 * self._workers)))
        for first in range(block.start, block.stop, run):
            rows = range(first, min(first + run, block.stop))
            future = pool.submit(self._prepare, images, rows, block, split)
            block.runs.append((rows.stop, future))

    def _prepare(self, images: Images, rows: range, block: _Block, split: WorkSplit) -> None:
        """Prepare some images of a block."""
        times = [time.monotonic()]
        for row in rows:
            data = _read(images[row][1])
            times.append(time.monotonic())
            if data is None:
                block.failed[row] = MISSING
            else:
                self._decode(data, row, block)
            times.append(time.monotonic())
        spent = [after - before for before, after in pairwise(times)]
        split.add(Work.READ, sum(spent[::2]), self._workers)
        split.add(Work.PREPARE, sum(spent[1::2]), self._workers)

    def _decode(self, data: bytes, row: int, block: _Block) -> None:
        if block.slots is not None:
            reason = self._inputs.read(data, block.slots[row - block.start])
            if reason is not None:
                block.failed[row] = reason
            return
        made = self._inputs.whole(data)
        if isinstance(made, str):
            block.failed[row] = made
        else:
            block.whole[row] = made


class _Block:
    """Images [start:stop] in one piece of memory, filled by several threads."""

    def __init__(self, start: int, stop: int, buffer: torch.Tensor | None) -> None:
        self.start, self.stop = start, stop
        self._buffer = buffer  # [stop - start, 3, h, w]; None if every image has a tensor
        self.slots: Slot | None = None if buffer is None else buffer.numpy()
        self.whole: dict[int, torch.Tensor] = {}
        self.failed: dict[int, str] = {}
        self.runs: deque[tuple[int, Future[None]]] = deque()  # by the row behind the last

    def batches(self, units: Callable[[], int]) -> Iterator[PictureBatch]:
        """Yield the images in batches, as they become ready."""
        at, ready = self.start, self.start
        while at < self.stop:
            end = min(at + units(), self.stop)
            while ready < end:
                ready, run = self.runs.popleft()
                run.result()
            failed = {row: self.failed[row] for row in range(at, end) if row in self.failed}
            good = [row for row in range(at, end) if row not in failed]
            pixels = self._pixels(good, at, end) if good else None
            yield PictureBatch(count=end - at, pixels=pixels, failed=failed)
            at = end

    def _pixels(self, good: Sequence[int], at: int, end: int) -> torch.Tensor:
        import torch

        if self._buffer is None:
            return torch.stack([self.whole.pop(row) for row in good])
        if len(good) == end - at:
            return self._buffer[at - self.start : end - self.start]
        return self._buffer[[row - self.start for row in good]]


def _read(get: Callable[[], bytes]) -> bytes | None:
    """Return the file of an image; None if it is missing."""
    try:
        return get()
    except OSError:
        return None
