"""What a stage is: a value that says everything the pipeline and the commands know of it.

Each folder in `stages/` has one, in its `__init__.py`, beside its settings and its `run`. Nothing
heavy is imported until the stage runs.
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

Recipe = Mapping[str, Any]
"""Stage name to its settings."""

IN_RUN = "run:"
"""Begins a path that is meant inside the run's folder, such as `run:pools/safe`."""


def _nowhere(settings: Any, workdir: Path) -> Iterator[str]:
    yield from ()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of the pipeline."""

    name: str
    settings: type[Any]
    module: str
    """Dotted name of the module whose `run` does the work, imported when it is needed."""
    headline: Callable[[Mapping[str, Any]], str]
    """One line for people from the facts of a finished run."""
    results: Callable[[Any, Path], Iterator[str]] = _nowhere
    """Lines that say where the results are, from the settings and the run's folder."""
    reads: tuple[str, ...] = ()
    """Stages whose records it reads."""
    reads_too: Callable[[Any], tuple[str, ...]] = lambda settings: ()
    """Further stages that it reads with some settings."""
    reads_if_there: tuple[str, ...] = ()
    """Stages that it reads where the run has them."""
    paths: tuple[str, ...] = ()
    """Settings that name files, and may name those of this run as `run:…`."""
    reads_delivered: str | None = None
    """Folder of the run, delivered by an earlier stage, that `paths` may name."""
    delivers: str | None = None
    """Folder of the run that receives the stage's `dataset` files under their final names."""
    intermediate: bool = False
    """Whether what it delivers is of no interest once a data set is made of it."""
    owns: tuple[str, ...] = ()
    """Subfolders of it whose Parquet files are the stage's alone."""
    problems: Callable[[Recipe], Sequence[str]] = lambda recipe: ()
    """What is wrong with a whole recipe from this stage's side, one line each."""
    completed: Callable[[Recipe], Any] | None = None
    """The stage's settings, completed from those of other stages in the recipe."""
    needs: Callable[[Any], Mapping[str, str]] = lambda settings: {}
    """Extras that it needs with some settings, each with the words for what needs it."""
    checks: bool = False
    """Whether its module has `check`, which finds early what cannot work."""
    distributed: bool = False
    """Whether the processes of torchrun share its work; its module then has `follow`."""
    quotes_facts: bool = False
    """Whether its output quotes how its inputs were made, so that it is stale when that changes."""
    has_own_command: bool = False
    """Whether a command of its name does more than run it."""

    @property
    def help(self) -> str:
        """One line for the command line."""
        return (self.settings.__doc__ or "").splitlines()[0]

    def load(self) -> StageModule:
        """Import the module that does the work."""
        return cast(StageModule, importlib.import_module(self.module))


class StageModule(Protocol):
    """What a stage's module offers. `VERSION` changes when the same settings give other results."""

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
        """Digests of what the stage reads from outside the run's folder, by name."""
        ...

    def plan(self, settings: Any, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
        """Say what a run would read and write, without doing it."""
        ...


class CheckingModule(StageModule, Protocol):
    """The module of a stage that finds early what would fail after hours of earlier stages."""

    def check(self, recipe: Recipe, *, reading: bool) -> None:
        """Raise what its run would raise, given the recipe; with `reading`, read pools for it."""
        ...


class DistributedModule(StageModule, Protocol):
    """The module of a stage that several processes run together."""

    def follow(self, settings: Any, folder: StageFolder, shards: Any) -> None:
        """Take part in what the first process does."""
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
    """Every setting of some stages, and which of them have it."""
    found: dict[str, list[HasSettings]] = {}
    for stage in stages:
        for field in dataclasses.fields(stage.settings):
            found.setdefault(field.name, []).append(stage)
    return found


def share(stages: Sequence[HasSettings], given: Mapping[str, Any]) -> Values:
    """Give settings to the stages that have them; one that several have is set for all of them."""
    values: Values = {stage.name: {} for stage in stages}
    for name, owned in owners(stages).items():
        if name in given:
            for stage in owned:
                values[stage.name][name] = given[name]
    return values
