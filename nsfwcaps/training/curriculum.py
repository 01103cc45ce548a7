"""Which pairs every step sees: levels by epoch, order by seed, shares by process.

Everything is worked out from the seed and the number of the epoch, so a run that goes on in the
middle of an epoch sees what it would have seen, and so does a run on more processes. Numpy promises
the streams of `SeedSequence` and `PCG64`, but not what `Generator.permutation` makes of them: rows
are therefore sorted by raw numbers of the stream.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from nsfwcaps.enums import DifficultyLevel
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.runtime.processes import shares

Rows = npt.NDArray[np.int64]

Schedule = tuple[tuple[DifficultyLevel, ...], ...]
"""Levels of the first epoch, of the second, …; the last entry holds for all later epochs too."""


class Curriculum(enum.StrEnum):
    """Whether hard pairs wait for the easy ones."""

    PROGRESSIVE = "progressive"
    NONE = "none"


SCHEDULES: Mapping[Curriculum, Schedule] = {
    # As SafeR-CLIP (arXiv 2511.16743) reports it.
    Curriculum.PROGRESSIVE: (
        (DifficultyLevel.EASY,),
        (DifficultyLevel.EASY, DifficultyLevel.MEDIUM),
        tuple(DifficultyLevel),
    ),
    Curriculum.NONE: (tuple(DifficultyLevel),),
}

ALL = "all"


def parse_schedule(text: str) -> Schedule:
    """Schedule of a setting: epochs between slashes, the levels of each between plus signs.

    >>> [len(levels) for levels in parse_schedule("easy / easy+medium / all")]
    [1, 2, 3]

    Raises `ConfigError` with the word that is not a level, or that an epoch names twice.
    """
    entries = enumerate(text.split("/"), start=1)
    return tuple(_parse_levels(entry, f"curriculum '{text}', epoch {e}") for e, entry in entries)


def _parse_levels(text: str, place: str) -> tuple[DifficultyLevel, ...]:
    named: set[DifficultyLevel] = set()
    for word in (word.strip() for word in text.split("+")):
        if word != ALL and word not in set(DifficultyLevel):
            known = ", ".join([*DifficultyLevel, ALL])
            raise ConfigError(f"{place}: '{word}' is not a level; there are: {known}")
        levels = set(DifficultyLevel) if word == ALL else {DifficultyLevel(word)}
        if named & levels:
            raise ConfigError(f"{place}: '{word}' repeats a level; name each of them once")
        named |= levels
    return tuple(level for level in DifficultyLevel if level in named)


class Sampler:
    """Batches of row numbers into a table of pairs, epoch by epoch.

    The seed, the epoch, which counts from 1, and the pairs decide what is in a batch. A last batch
    that is not whole is left out, because losses that compare within the batch would be others
    there: its pairs change with the epoch. It is used as it is where it is the only one, or where
    `drop_last` is false. An epoch none of whose levels has a pair has no batches.
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
        avoid_repeats: Sequence[str] | None = None,
    ) -> None:
        """Sample from pairs with these levels `[p]`.

        `batch_size` counts the pairs of all processes together. `avoid_repeats` is a key `[p]` of
        every pair, such as the id of its target: pairs with the same key go to different batches
        while the key has no more pairs than there are whole batches, and are spread evenly where
        it has more. The number of steps stays the same.

        Raises `ConfigError` for sizes that cannot work, `InputError` for an unknown level, or
        where the schedule never comes to a level that has a pair.
        """
        if not schedule or not all(schedule):
            raise ConfigError("curriculum: every epoch needs a level; write for example easy/all")
        if batch_size < 1:
            raise ConfigError(f"batch size {batch_size}: a batch needs at least one pair")
        if seed < 0:
            raise ConfigError(f"seed {seed}: seeds are 0 or greater")
        if not 0 <= rank < world_size:
            raise ConfigError(f"rank {rank} of {world_size} processes: ranks run from 0 upwards")
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
        self._keys = None if avoid_repeats is None else _numbers(avoid_repeats)
        if self._keys is not None and len(self._keys) != len(self._level_of):
            raise ValueError(f"{len(self._keys)} keys for {len(self._level_of)} pairs")
        self._check_batches()

    def levels(self, epoch: int) -> tuple[DifficultyLevel, ...]:
        """Levels that an epoch draws from."""
        if epoch < 1:
            raise ValueError(f"epoch {epoch}: epochs count from 1")
        return self._schedule[min(epoch, len(self._schedule)) - 1]

    def steps(self, epoch: int) -> int:
        """Number of batches in an epoch, the same for every process; 0 where it has no pair."""
        return self._sizes(epoch)[0]

    def pairs(self, epoch: int) -> int:
        """Number of pairs in the batches of an epoch."""
        return self._sizes(epoch)[1]

    def total_steps(self, epochs: int) -> int:
        """Number of batches in the first epochs together, as a learning-rate schedule needs it.

        Raises `InputError` where none of these epochs has a pair.
        """
        total = sum(self.steps(epoch) for epoch in range(1, epochs + 1))
        if not total:
            raise self._empty(f"the first {epochs} epochs use")
        return total

    def epoch(self, number: int) -> list[Rows]:
        """Batches `[b]` of an epoch, each with the rows of all processes."""
        steps, used = self._sizes(number)
        # A spawn key keeps (seed, epoch) apart: as one list, two pairs of numbers can mix to one.
        stream = np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=(number,)))
        rows = _shuffled(len(self._level_of), stream)
        wanted = np.isin(
            self._level_of, [list(DifficultyLevel).index(level) for level in self.levels(number)]
        )
        rows = rows[wanted[rows]][:used]
        if self._keys is not None:
            rows = _spread(rows, self._keys[rows], self._batch_size)
        size = self._batch_size
        batches = [rows[step * size : (step + 1) * size] for step in range(steps)]
        if self._keys is not None:
            # A key sits in successive batches now: mix them, but keep one that is not whole last.
            whole = used // size
            batches[:whole] = [batches[step] for step in _shuffled(whole, stream)]
        return batches

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[Rows]:
        """Yield the share of this process in each batch of an epoch, from a step on.

        Shares are contiguous and differ by one row at most; put together in the order of ranks,
        they are the batch.
        """
        steps = self.steps(epoch)
        if not 0 <= start_step <= steps:
            raise ValueError(f"step {start_step} of epoch {epoch}, which has {steps} steps")
        return (self._share(batch) for batch in self.epoch(epoch)[start_step:])

    def _share(self, batch: Rows) -> Rows:
        return batch[shares(len(batch), self._world_size)[self._rank]]

    def _sizes(self, epoch: int) -> tuple[int, int]:
        """Number of batches of an epoch, and of the pairs in them."""
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
            # A process without a pair has no loss: its mean is not a number.
            if steps and smallest < self._world_size:
                raise ConfigError(
                    f"epoch {epoch} has a batch of {smallest} pairs for {self._world_size} "
                    "processes, and each needs one; use fewer processes or a larger batch size"
                )

    def _empty(self, who: str) -> InputError:
        counts = ", ".join(f"{count} {level}" for level, count in self._counts.items())
        return InputError(
            f"no pair to train on: there are {counts}, and {who} none of those that have pairs"
        )


def _level_numbers(levels: Sequence[str]) -> Rows:
    number_of = {level.value: number for number, level in enumerate(DifficultyLevel)}
    for row, level in enumerate(levels):
        if level not in number_of:
            known = ", ".join(number_of)
            raise InputError(f"pair in row {row}: stage '{level}' is unknown; there are: {known}")
    return np.array([number_of[level] for level in levels], dtype=np.int64)


def _numbers(keys: Sequence[str]) -> Rows:
    number_of: dict[str, int] = {}
    return np.array([number_of.setdefault(key, len(number_of)) for key in keys], dtype=np.int64)


def _shuffled(count: int, stream: np.random.PCG64) -> Rows:
    """Permutation `[count]` of numbers from 0, drawn from what the stream gives next."""
    return np.argsort(stream.random_raw(count), kind="stable")


def _spread(rows: Rows, keys: Rows, batch_size: int) -> Rows:
    """Rows `[n]` in another order, whose successive batches hold equal keys as rarely as can be.

    Rows with one key are put side by side, keys in the order in which they come first, and then
    dealt like cards: one to each batch in turn. Rows whose keys are all distinct, dealt from a
    random order, are in a random order again.
    """
    _, first, key = np.unique(keys, return_index=True, return_inverse=True)
    grouped = rows[np.argsort(first[key], kind="stable")]
    batch, place = np.divmod(np.arange(len(rows)), batch_size)
    dealt = np.empty_like(rows)
    dealt[np.lexsort((batch, place))] = grouped
    return dealt
