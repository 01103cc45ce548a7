"""construct, shared by several processes: the benchmark's captions, then edits in waves.

    exclude   captions of the benchmark, embedded
    edit 1…   blocks of requests (`waves`)

Selecting the pairs and writing the pools is left to the driver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.progress import Advance
from nsfwcaps.sharing import Part, Phase
from nsfwcaps.stages.construct.settings import ConstructSettings

if TYPE_CHECKING:  # they import numpy and pyarrow
    from nsfwcaps.stages.construct.edit import EditChecker
    from nsfwcaps.stages.construct.read import SafeItem
    from nsfwcaps.stages.construct.waves import Waves

EXCLUDE, EDIT = "exclude", "edit"


def phases(
    settings: ConstructSettings, folder: StageFolder, inputs: Mapping[str, StageRecord]
) -> Iterator[Phase]:
    """Yield the benchmark, if there is one, then waves of edits until the quotas are filled."""
    from nsfwcaps.stages.construct.edit import benchmark_parts
    from nsfwcaps.stages.construct.requests import benchmark_captions
    from nsfwcaps.stages.construct.waves import Waves

    captions = benchmark_captions(settings)
    if captions:
        yield Phase(
            name=EXCLUDE,
            shards=len(benchmark_parts(captions)),
            rows=len(captions),
            unit="captions",
            then_wait=True,
        )
    waves, number = Waves(settings, folder, _usable(settings, captions)), 1
    while blocks := waves.wave(number):
        yield Phase(
            name=f"{EDIT} {number}",
            shards=len(blocks),
            rows=sum(map(len, blocks)),
            unit="edits",
            then_wait=True,
        )
        number += 1


def settled(settings: ConstructSettings, agreed: Mapping[str, Any]) -> ConstructSettings:
    """Return the settings: the workers choose none."""
    return settings


class ConstructShares:
    """Editor, encoder and detectors, and the blocks that they make."""

    def __init__(self, settings: ConstructSettings, folder: StageFolder) -> None:
        from nsfwcaps.stages.construct.means import load_checker
        from nsfwcaps.stages.construct.requests import benchmark_captions

        folder.refuse_foreign_pools(("safe", "unsafe"))  # before there is a journal
        self._settings, self._folder = settings, folder
        self._captions = benchmark_captions(settings)
        self._bare = load_checker(settings, folder, self._captions)

    @property
    def agreed(self) -> Mapping[str, Any]:
        """The encoder's digest and precision, and a digest of all that edits and checks."""
        from nsfwcaps.config import digest

        identity = self._bare.encoder.identity
        return {
            "precision": identity.precision,
            "weights": identity.digest,
            "editor and detectors": digest(self._bare.decisive()),
        }

    def make(self, phase: str, part: Part, advance: Advance) -> None:
        """Embed every n-th part of the benchmark, or edit every n-th block of a wave."""
        from nsfwcaps.stages.construct.edit import benchmark_parts, embed_benchmark

        if phase == EXCLUDE:
            parts = part.of(benchmark_parts(self._captions))
            embed_benchmark(parts, self._bare.encoder, self._folder, advance)
            return
        wave = self._waves.wave(int(phase.removeprefix(EDIT)))
        for block in part.of(wave):
            self._waves.note(block, self._checker.block(block, advance))

    @cached_property
    def _checker(self) -> EditChecker:
        """What checks the edits, with the benchmark that all parts have embedded."""
        from nsfwcaps.stages.construct.means import with_benchmark

        return with_benchmark(self._bare, self._captions, lambda rows: None)

    @cached_property
    def _waves(self) -> Waves:
        from nsfwcaps.stages.construct.waves import Waves

        usable = _usable(self._settings, self._captions)
        return Waves(
            self._settings,
            self._folder,
            usable,
            lambda block: self._checker.block(block, lambda rows: None),
        )


def open_shares(
    settings: ConstructSettings, folder: StageFolder, inputs: Mapping[str, StageRecord]
) -> ConstructShares:
    """Load editor, encoder and detectors.

    Raises:
        StorageError: the run's folder holds pools that it has not written.
    """
    return ConstructShares(settings, folder)


def _usable(settings: ConstructSettings, captions: list[str]) -> list[SafeItem]:
    """Read the captions of the pool that may be edited."""
    from nsfwcaps.stages.construct.read import read_pool_captions
    from nsfwcaps.stages.construct.requests import screened

    return screened(read_pool_captions(settings, lambda rows: None), settings, captions)[0]
