"""How many tokens or images a batch has: given, or found from the memory of the device.

On a GPU, where no number is given, a first batch of the CPU's size is measured: the peak of
allocated memory, divided by its units. The next batches grow up to a safe share of the free memory,
at most eightfold each time, and are measured in turn.

A batch for which the device has too little memory is tried again in halves, and later batches are
no larger than those halves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, Self, TypeVar

from nsfwcaps.errors import DeviceError
from nsfwcaps.runtime.gpu_memory import free_bytes

USUAL_TOKENS = 4096
USUAL_IMAGES = 32
MOST_TOKENS = 262_144
MOST_IMAGES = 1024

_SAFE_SHARE = 0.6
_GROWTH = 8
_WORTH_MEASURING = 2

Result = TypeVar("Result")


class Batch(Protocol):
    """Items that can be counted and halved, such as a list, an array or a tensor."""

    def __len__(self) -> int:
        """Return the number of items."""
        ...

    def __getitem__(self, part: slice, /) -> Any:
        """Return a part of the items."""
        ...


AnyBatch = TypeVar("AnyBatch", bound=Batch)


class Memory(Protocol):
    """Memory of a device, in bytes."""

    def watch(self) -> None:
        """Start measuring."""
        ...

    def taken(self) -> int:
        """Return the most that was allocated at once since `watch`, beyond what was there."""
        ...

    def free(self) -> int:
        """Return what can still be allocated."""
        ...

    def release(self) -> None:
        """Give up memory that is kept for later, after a failure."""
        ...


class CudaMemory:
    """Memory of the current GPU, as torch's allocator counts it; needs no wait for the device.

    `watch` resets torch's peak statistics: they do not hold for a whole run in which batches are
    measured.
    """

    def __init__(self) -> None:
        self._before = 0

    def watch(self) -> None:
        """Start measuring."""
        import torch

        torch.cuda.reset_peak_memory_stats()
        self._before = torch.cuda.memory_allocated()

    def taken(self) -> int:
        """Return the peak since `watch`, beyond what was there."""
        import torch

        return torch.cuda.max_memory_allocated() - self._before

    def free(self) -> int:
        """Return what the driver and torch's own cache have free."""
        return free_bytes()

    def release(self) -> None:
        """Return torch's cached blocks to the driver, because they may be fragmented."""
        import torch

        torch.cuda.empty_cache()


class BatchSize:
    """Size of the batches of one kind of work on one device, in units: tokens or images.

    Cut a batch of at most `units`, pass it to `compute`, and so on. Not for several threads.
    """

    def __init__(
        self, given: int | None, *, usual: int, most: int, memory: Memory | None, option: str
    ) -> None:
        """Start with `given` units, or else with `usual`, growing to `most` if there is `memory`.

        `option` sets the number on the command line, for the message.
        """
        self._limit = usual if given is None else given
        self._most = most
        self._memory, self._grows = memory, given is None and memory is not None
        self._measured = 0
        self._option = option

    @classmethod
    def of_tokens(cls, given: int | None, device: str) -> Self:
        """Size of batches of captions, in padded tokens."""
        memory = _memory(device)
        return cls(
            given, usual=USUAL_TOKENS, most=MOST_TOKENS, memory=memory, option="--batch-tokens"
        )

    @classmethod
    def of_images(cls, given: int | None, device: str) -> Self:
        """Size of batches of images."""
        memory = _memory(device)
        return cls(
            given, usual=USUAL_IMAGES, most=MOST_IMAGES, memory=memory, option="--batch-images"
        )

    @property
    def units(self) -> int:
        """The most units that the next batch may have; a batch of one item may have more."""
        return self._limit

    def compute(
        self, batch: AnyBatch, units: int, work: Callable[[AnyBatch], Result]
    ) -> Iterator[tuple[AnyBatch, Result]]:
        """Yield (part, `work(part)`) for the batch, whole or in parts, in order.

        Args:
            batch: Items `[n]`; not empty.
            units: Tokens or images of the whole batch, padding included.
            work: Computes on the device; raises `torch.OutOfMemoryError` if it has too little
                memory.

        Raises:
            DeviceError: the memory is too small for a single item.
        """
        each, failed = units / len(batch), False
        waiting = [batch]
        while waiting:
            part = waiting.pop()
            size = max(1, round(each * len(part)))
            hopeless = failed and size > self._limit and len(part) > 1
            done = None if hopeless else self._tried(part, size, work)
            if done:
                yield part, done[0]
                continue
            failed = True
            if len(part) == 1:
                raise DeviceError(
                    "the device ran out of memory for a batch of one, which no lower "
                    f"{self._option} can help; end other programs on the device, choose a smaller "
                    "model or --device cpu, and run the same command again: finished shards are "
                    "kept"
                )
            half = (len(part) + 1) // 2
            waiting += [part[half:], part[:half]]

    def _tried(self, part: Any, units: int, work: Callable[[Any], Result]) -> tuple[Result] | None:
        """Return the result, or None if memory was too small."""
        import torch

        watched = self._memory if units >= _WORTH_MEASURING * self._measured else None
        if watched and self._grows:
            watched.watch()
        try:
            result = work(part)
        except torch.OutOfMemoryError:
            pass  # the error keeps the tensors of its frames alive: go on outside of this block
        else:
            if watched and self._grows:
                self._grow(watched, units)
            return (result,)
        self._limit = max(1, min(self._limit, units // 2))
        self._grows = False
        if self._memory:
            self._memory.release()
        return None

    def _grow(self, memory: Memory, units: int) -> None:
        """Set the limit from the memory that a batch took."""
        self._measured = units
        each = max(1, memory.taken()) / units
        fitting = int(_SAFE_SHARE * memory.free() / each)
        self._limit = max(1, min(self._most, fitting, _GROWTH * units))


def _memory(device: str) -> Memory | None:
    return CudaMemory() if device.startswith("cuda") else None
