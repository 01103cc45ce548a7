"""Sampling of batches: levels by epoch, order by seed, shares by process.

Batches depend only on the seed and the epoch. A run that resumes within an epoch therefore sees the
same batches, and so does a run on more processes. NumPy guarantees stable streams of `SeedSequence`
and `PCG64`, but not of `Generator.permutation`. Rows are therefore sorted by raw random numbers.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from nsfwcaps.enums import DifficultyLevel
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.runtime.processes import shares
from nsfwcaps.training.repeats import numbers, spread

Rows = npt.NDArray[np.int64]

Schedule = tuple[tuple[DifficultyLevel, ...], ...]
"""Levels of the first epoch, the second, …; the last entry applies to all later epochs."""


class Curriculum(enum.StrEnum):
    """Whether training starts with the easy pairs."""

    PROGRESSIVE = "progressive"
    NONE = "none"


SCHEDULES: Mapping[Curriculum, Schedule] = {
    # As in SafeR-CLIP (arXiv 2511.16743).
    Curriculum.PROGRESSIVE: (
        (DifficultyLevel.EASY,),
        (DifficultyLevel.EASY, DifficultyLevel.MEDIUM),
        tuple(DifficultyLevel),
    ),
    Curriculum.NONE: (tuple(DifficultyLevel),),
}

ALL = "all"


def parse_schedule(text: str) -> Schedule:
    """Parse a schedule: epochs separated by slashes, levels of an epoch by plus signs.

    >>> [len(levels) for levels in parse_schedule("easy / easy+medium / all")]
    [1, 2, 3]

    Raises `ConfigError` for an unknown level, or one that an epoch repeats.
    """
    entries = enumerate(text.split("/"), start=1)
    return tuple(_parse_levels(entry, f"curriculum '{text}', epoch {e}") for e, entry in entries)


def _parse_levels(text: str, place: str) -> tuple[DifficultyLevel, ...]:
    named: set[DifficultyLevel] = set()
    for word in (word.strip() for word in text.split("+")):
        if word != ALL and word not in set(DifficultyLevel):
            known = ", ".join([*DifficultyLevel, ALL])
            raise ConfigError(f"{place}: unknown level '{word}'; choose from {known}")
        levels = set(DifficultyLevel) if word == ALL else {DifficultyLevel(word)}
        if named & levels:
            raise ConfigError(f"{place}: '{word}' repeats a level; name each level once")
        named |= levels
    return tuple(level for level in DifficultyLevel if level in named)


class Sampler:
    """Batches of row numbers into a table of pairs, epoch by epoch.

    Batches depend on the seed, the pairs and the epoch, counted from 1. An incomplete last batch is
    dropped, because the losses compare rows within the batch and depend on its size; its pairs
    change with the epoch. It is kept if it is the only batch or `drop_last` is false. An epoch
    without pairs of its levels has no batches.
    """

    def __init__(
        self,
        levels: Sequence[str],
        *,
        schedule: Schedule,
        batch_size: int,
        seed: int,
        world_size: int = 1,
        rank: int = 0,
        drop_last: bool = True,
        avoid_repeats: Sequence[Sequence[Hashable]] = (),
    ) -> None:
        """Sample from pairs with these levels `[p]`.

        `batch_size` is the total over all processes. `avoid_repeats` holds lists of keys `[p]`,
        such as one of the pairs' targets and one of their safe items; None equals no other key.
        Pairs with equal keys in the first list go to different batches if there are enough complete
        batches, and are spread evenly otherwise. Repeats in further lists are avoided where an
        exchange of two pairs does. The number of steps does not change.

        Raises `ConfigError` for invalid sizes, and `InputError` for an unknown level or a schedule
        without any pair.
        """
        if not schedule or not all(schedule):
            raise ConfigError("curriculum: every epoch needs a level, for example easy/all")
        if batch_size < 1:
            raise ConfigError(f"batch size: must be at least 1, got {batch_size}")
        if seed < 0:
            raise ConfigError(f"seed: must be at least 0, got {seed}")
        if not 0 <= rank < world_size:
            raise ConfigError(f"rank: must be in [0, {world_size}), got {rank}")
        self._schedule = schedule
        self._batch_size = batch_size
        self._seed = seed
        self._world_size = world_size
        self._rank = rank
        self._drop_last = drop_last
        self._level_of = _level_numbers(levels)
        self._counts = dict(
            zip(
                DifficultyLevel,
                np.bincount(self._level_of, minlength=len(DifficultyLevel)).tolist(),
                strict=True,
            )
        )
        for keys in avoid_repeats:
            if len(keys) != len(self._level_of):
                raise ValueError(f"{len(keys)} keys for {len(self._level_of)} pairs")
        self._keys = np.stack([*map(numbers, avoid_repeats)], axis=1) if avoid_repeats else None
        self._check_batches()

    def levels(self, epoch: int) -> tuple[DifficultyLevel, ...]:
        """Levels that an epoch samples from."""
        if epoch < 1:
            raise ValueError(f"epoch {epoch}: epochs count from 1")
        return self._schedule[min(epoch, len(self._schedule)) - 1]

    def steps(self, epoch: int) -> int:
        """Number of batches in an epoch, the same for every process; 0 if it has no pairs."""
        return self._sizes(epoch)[0]

    def pairs(self, epoch: int) -> int:
        """Number of pairs in the batches of an epoch."""
        return self._sizes(epoch)[1]

    def total_steps(self, epochs: int) -> int:
        """Total number of batches in the first `epochs` epochs, for a learning-rate schedule.

        Raises `InputError` if these epochs have no pairs.
        """
        total = sum(self.steps(epoch) for epoch in range(1, epochs + 1))
        if not total:
            raise self._empty(f"the first {epochs} epochs use")
        return total

    def epoch(self, number: int) -> list[Rows]:
        """Batches `[b]` of an epoch, each with the rows of all processes."""
        steps, used = self._sizes(number)
        # A spawn key separates (seed, epoch): as a list of entropy, different pairs can collide.
        stream = np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=(number,)))
        rows = _shuffled(len(self._level_of), stream)
        wanted = np.isin(
            self._level_of, [list(DifficultyLevel).index(level) for level in self.levels(number)]
        )
        rows = rows[wanted[rows]][:used]
        if self._keys is not None:
            rows = spread(rows, self._keys[rows], self._batch_size)
        size = self._batch_size
        batches = [rows[step * size : (step + 1) * size] for step in range(steps)]
        if self._keys is not None:
            # Equal keys are now in successive batches: shuffle the complete ones.
            whole = used // size
            batches[:whole] = [batches[step] for step in _shuffled(whole, stream)]
        return batches

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[Rows]:
        """Yield this process's share of each batch of an epoch, starting at a step.

        Shares are contiguous and differ by at most one row. Concatenated by rank, they form the
        batch.
        """
        steps = self.steps(epoch)
        if not 0 <= start_step <= steps:
            raise ValueError(f"step {start_step} of epoch {epoch}, which has {steps} steps")
        return (self._share(batch) for batch in self.epoch(epoch)[start_step:])

    def _share(self, batch: Rows) -> Rows:
        return batch[shares(len(batch), self._world_size)[self._rank]]

    def _sizes(self, epoch: int) -> tuple[int, int]:
        """Number of batches of an epoch, and number of pairs in them."""
        pairs = sum(self._counts[level] for level in set(self.levels(epoch)))
        whole, left = divmod(pairs, self._batch_size)
        if left and not (self._drop_last and whole):
            return whole + 1, pairs
        return whole, whole * self._batch_size

    def _check_batches(self) -> None:
        sizes = {epoch: self._sizes(epoch) for epoch in range(1, len(self._schedule) + 1)}
        if not any(steps for steps, _ in sizes.values()):
            raise self._empty("the curriculum uses")
        for epoch, (steps, used) in sizes.items():
            smallest = used - (steps - 1) * self._batch_size
            # A process without pairs would compute a NaN loss.
            if steps and smallest < self._world_size:
                raise ConfigError(
                    f"epoch {epoch} has a batch of {smallest} pairs, fewer than the "
                    f"{self._world_size} processes; use fewer processes or a larger batch size"
                )

    def _empty(self, who: str) -> InputError:
        counts = ", ".join(f"{count} {level}" for level, count in self._counts.items())
        return InputError(
            f"no pairs to train on: found {counts}, and {who} only empty levels; change "
            "--curriculum"
        )


def _level_numbers(levels: Sequence[str]) -> Rows:
    number_of = {level.value: number for number, level in enumerate(DifficultyLevel)}
    for row, level in enumerate(levels):
        if level not in number_of:
            known = ", ".join(number_of)
            raise InputError(
                f"pair in row {row}: unknown stage '{level}'; expected one of: {known}"
            )
    return np.array([number_of[level] for level in levels], dtype=np.int64)


def _shuffled(count: int, stream: np.random.PCG64) -> Rows:
    """Permutation `[count]` drawn from the next numbers of the stream."""
    return np.argsort(stream.random_raw(count), kind="stable")
