"""A stage as a value: everything that the pipeline and the commands know of it.

Each folder in `stages/` defines one in its `__init__.py`, beside its settings and its `run`.
Heavy modules are imported only when the stage runs.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from nsfwcaps.artifacts import StageFolder, StageRecord, StageResult
from nsfwcaps.progress import Progress
from nsfwcaps.sharing import SharesModule

Recipe = Mapping[str, Any]
"""Settings by stage name."""

IN_RUN = "run:"
"""Prefix of paths inside the run's folder, such as `run:pools/safe`."""


def _nowhere(settings: Any, workdir: Path) -> Iterator[str]:
    yield from ()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of the pipeline."""

    name: str
    settings: type[Any]
    module: str
    """Dotted name of the module with `run`, imported on demand."""
    subject: str | None = None
    """Dotted name of the module that compares what the stage is of with a finished run."""
    headline: Callable[[Mapping[str, Any]], str]
    """Formats the facts of a finished run in one line for display."""
    notes: Callable[[Mapping[str, Any]], Iterator[str]] = lambda facts: iter(())
    """Yields further lines on the facts of a finished run, such as the columns it used."""
    results: Callable[[Any, Path], Iterator[str]] = _nowhere
    """Yields lines naming the result files, from the settings and the run's folder."""
    reads: tuple[str, ...] = ()
    """Stages whose records it reads."""
    reads_too: Callable[[Any], tuple[str, ...]] = lambda settings: ()
    """Further stages that it reads, depending on the settings."""
    reads_if_there: tuple[str, ...] = ()
    """Stages that it reads if the run has them."""
    paths: tuple[str, ...] = ()
    """Settings that are paths, and may refer to the run's folder as `run:…`."""
    folders: tuple[str, ...] = ()
    """Settings that may name a folder on an object store, which is fetched first."""
    reads_delivered: str | None = None
    """Folder in the run, delivered by an earlier stage, that `paths` may refer to."""
    delivers: str | None = None
    """Folder in the run that receives the stage's `dataset` files under their final names."""
    counts_changes: bool = False
    """Whether its facts have `changes`, counts against the output that it replaces."""
    intermediate: bool = False
    """Whether its delivered files are only intermediate once a data set is made from them."""
    owns: tuple[str, ...] = ()
    """Subfolders of `delivers` whose Parquet files belong to the stage alone."""
    problems: Callable[[Recipe], Sequence[str]] = lambda recipe: ()
    """Yields problems of the whole recipe from this stage's view, one line each."""
    foresees: Callable[[Recipe, StageRecord], Iterator[str]] = lambda recipe, record: iter(())
    """Yields why it cannot use what an earlier stage, of this record, has made."""
    completed: Callable[[Recipe], Any] | None = None
    """Completes the stage's settings from those of other stages in the recipe."""
    needs: Callable[[Any], Mapping[str, str]] = lambda settings: {}
    """Extras that it needs, depending on the settings, with a phrase for what needs each."""
    models: Callable[[Any], Mapping[str, str]] = lambda settings: {}
    """Models that it loads, by setting: they are looked for before the first stage runs."""
    shares: str | None = None
    """Dotted name of the module (`sharing.SharesModule`) by which several processes share it."""
    alone: Callable[[Any], str | None] = lambda settings: None
    """Says why one process does it with these settings, although it has `shares`; else None."""
    checks: bool = False
    """Whether its module has `check`, which finds problems early."""
    distributed: bool = False
    """Whether torchrun's processes share its work; its module then has `follow`."""
    quotes_facts: bool = False
    """Whether its output quotes its inputs' facts, so that it is stale when those change."""
    has_own_command: bool = False
    """Whether the command of this name does more than run the stage."""

    @property
    def help(self) -> str:
        """One-line help for the command line."""
        return (self.settings.__doc__ or "").splitlines()[0]

    def load(self) -> StageModule:
        """Import the stage's module."""
        return cast(StageModule, importlib.import_module(self.module))

    def load_shares(self) -> SharesModule:
        """Import the module by which several processes share its work."""
        assert self.shares is not None, f"{self.name} is not shared"
        return cast(SharesModule, importlib.import_module(self.shares))


@dataclass(frozen=True, kw_only=True)
class PlannedPart:
    """A part of a stage's work, for estimates of time."""

    work: Mapping[str, float]
    """Amount of each kind of work (`machine.known_rates`)."""
    kept_as: str | None = None
    """Group of files that an earlier run has left if it has done this part."""
    left: Callable[[StageFolder], int] | None = None
    """Counts the items of the only kind of work that such files lack, as of a part done in part."""
    made_from: str | None = None
    """What those files must be made from, as the fact `made_from` of their shard says."""


class StageModule(Protocol):
    """Interface of a stage's module. Raise `VERSION` when equal settings give other results."""

    VERSION: int

    def run(
        self,
        settings: Any,
        folder: StageFolder,
        inputs: Mapping[str, StageRecord],
        progress: Progress,
    ) -> StageResult:
        """Do the work: read the inputs, call pure functions, commit shards to the folder."""
        ...

    def sources(self, settings: Any) -> Mapping[str, str]:
        """Return digests of what the stage reads from outside the run's folder, by name."""
        ...

    def plan(self, settings: Any, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
        """Describe what a run would read and write, without running.

        `work` is the amount of each kind of work (`machine.known_rates`), for an estimate of time;
        `parts` maps names to a `PlannedPart` where some may have been done. If `run` returns no
        rates, a run from nothing measures the only kind.
        """
        ...


class CheckingModule(StageModule, Protocol):
    """Module of a stage that finds early what would fail after hours of earlier stages."""

    def check(self, recipe: Recipe, *, reading: bool) -> None:
        """Raise what the run would raise for the recipe; `reading` allows reading pools."""
        ...


class DistributedModule(StageModule, Protocol):
    """Module of a stage that several processes run together."""

    def follow(self, settings: Any, folder: StageFolder, shards: Any) -> None:
        """Take part in the first process's work."""
        ...


Values = dict[str, dict[str, Any]]
"""Stage name to the settings that were given."""


class HasSettings(Protocol):
    """A stage, or anything else whose settings become options."""

    @property
    def name(self) -> str:
        """What the options are listed under, if it alone has them."""
        ...

    @property
    def settings(self) -> type[Any]:
        """Dataclass of settings."""
        ...


def owners(stages: Sequence[HasSettings]) -> Mapping[str, list[HasSettings]]:
    """Map each setting to the stages that have it."""
    found: dict[str, list[HasSettings]] = {}
    for stage in stages:
        for field in dataclasses.fields(stage.settings):
            found.setdefault(field.name, []).append(stage)
    return found


def share(stages: Sequence[HasSettings], given: Mapping[str, Any]) -> Values:
    """Assign values to all stages that have the setting."""
    values: Values = {stage.name: {} for stage in stages}
    for name, owned in owners(stages).items():
        if name in given:
            for stage in owned:
                values[stage.name][name] = given[name]
    return values
