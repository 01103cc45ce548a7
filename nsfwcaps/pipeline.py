"""The stages in order, and the one function that runs any of them.

A stage is a value: a name, its settings, the module whose `run` does the work, and the stages it
reads. A stage's fingerprint is the digest of its settings, its inputs' contents and its version;
a stage whose finished record carries the same fingerprint is skipped.
"""

from __future__ import annotations

import enum
import importlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from nsfwcaps import __version__, config, settings
from nsfwcaps.artifacts import StageFolder, StageRecord, StageResult, deliver
from nsfwcaps.enums import Pairing
from nsfwcaps.errors import ArtifactError, NsfwcapsError, StorageError
from nsfwcaps.progress import Progress
from nsfwcaps.training.processes import Processes


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of the pipeline."""

    name: str
    settings: type[Any]
    module: str
    reads: tuple[str, ...]
    reads_too: Callable[[Any], tuple[str, ...]] = lambda settings: ()
    """Stages that it reads besides with some settings."""
    reads_if_there: tuple[str, ...] = ()
    """Stages that it reads besides where the run has them."""
    delivers: str | None = None
    """Folder of the workdir that receives the stage's `dataset` files under their final names."""
    owns: tuple[str, ...] = ()
    """Folders in it whose Parquet files are the stage's alone."""
    checks: bool = False
    """Whether its module has `check`, which says what cannot work before any stage runs."""
    quotes_facts: bool = False
    """Whether its output says how its inputs were made, and so is stale when that has changed."""

    @property
    def help(self) -> str:
        """One line for the command line."""
        return (self.settings.__doc__ or "").splitlines()[0]


STAGES = (
    Stage(
        name="world",
        settings=settings.WorldSettings,
        module="nsfwcaps.stages.world",
        reads=(),
        delivers="pools",
        owns=("safe", "unsafe"),
    ),
    Stage(
        name="construct",
        settings=settings.ConstructSettings,
        module="nsfwcaps.stages.construct",
        reads=(),
        delivers="pools",
        owns=("safe", "unsafe"),
    ),
    Stage(
        name="illustrate",
        settings=settings.IllustrateSettings,
        module="nsfwcaps.stages.illustrate",
        reads=("construct",),
        delivers="pools",
        owns=("illustrated",),
        checks=True,
    ),
    Stage(
        name="ingest",
        settings=settings.IngestSettings,
        module="nsfwcaps.stages.ingest",
        reads=(),
    ),
    Stage(
        name="embed",
        settings=settings.EmbedSettings,
        module="nsfwcaps.stages.embed",
        reads=("ingest",),
    ),
    Stage(
        name="mine",
        settings=settings.MineSettings,
        module="nsfwcaps.stages.mine",
        reads=("embed",),
        # Only then: else a category that changes in a pool would make the whole search run again.
        reads_too=lambda mine: ("ingest",) if mine.pairing is Pairing.PARTNER else (),
    ),
    Stage(
        name="grade",
        settings=settings.GradeSettings,
        module="nsfwcaps.stages.grade",
        reads=("mine",),
    ),
    Stage(
        name="publish",
        settings=settings.PublishSettings,
        module="nsfwcaps.stages.publish",
        reads=("ingest", "embed", "mine", "grade"),
        reads_if_there=("construct", "illustrate"),
        delivers="dataset",
        owns=("data",),
        quotes_facts=True,
    ),
    Stage(
        name="train",
        settings=settings.TrainSettings,
        module="nsfwcaps.stages.train",
        reads=(),
        delivers="model",
    ),
)

STAGE = {stage.name: stage for stage in STAGES}

BUILD = tuple(STAGE[name] for name in ("ingest", "embed", "mine", "grade", "publish"))
"""The main job: from pools to a data set."""


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
        """Digests of what the stage reads from outside the workdir, by name."""
        ...

    def plan(self, settings: Any, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
        """Say what a run would read and write, without doing it."""
        ...


class CheckingModule(StageModule, Protocol):
    """A stage's module that can tell early, before the stages that it reads take hours."""

    def check(self, recipe: Mapping[str, Any], *, reading: bool) -> None:
        """Raise what its run would come to, given the recipe; with `reading`, read pools for it."""
        ...


class State(enum.StrEnum):
    """How a stage's output stands to its settings and inputs."""

    CURRENT = "up to date"
    STALE = "stale"
    DAMAGED = "damaged"
    MISSING = "not run"


@dataclass(frozen=True, kw_only=True)
class StageOutcome:
    """A stage after `run_stage`: its record, and whether there was anything to do."""

    record: StageRecord
    skipped: bool


def check(recipe: Mapping[str, Any], *, reading: bool = True) -> None:
    """Say what cannot work in a late stage before the first one runs.

    Without `reading` nothing is read but what the recipe names as part of itself: no pools.

    Raises:
        NsfwcapsError: as the stage would.
    """
    for stage in STAGES:
        if stage.name in recipe and stage.checks:
            cast(CheckingModule, _module(stage)).check(recipe, reading=reading)


def run_stage(stage: Stage, stage_settings: Any, workdir: Path, progress: Progress) -> StageOutcome:
    """Bring one stage up to date.

    Raises:
        ArtifactError: a stage that this one reads has not been run.
    """
    module = _module(stage)
    inputs = {
        name: _require(workdir, name, stage.name)
        for name in _inputs(stage, stage_settings, workdir)
    }
    fingerprint, digests = _fingerprint(stage, stage_settings, inputs)
    folder = StageFolder(workdir / stage.name)
    record = folder.record()
    current = record is not None and record.fingerprint == fingerprint
    if record is None or not current or folder.damaged(record) is not None:
        current = False
        started = time.monotonic()
        folder.prepare()
        result = module.run(stage_settings, folder, inputs, progress)
        record = folder.finish(
            stage=stage.name,
            fingerprint=fingerprint,
            version=__version__,
            settings=config.as_dict(stage_settings),
            inputs=digests,
            result=result,
            seconds=time.monotonic() - started,
        )
    else:
        folder.tidy(record)
    if stage.delivers:
        deliver(record, workdir / stage.delivers, stage.owns)
    return StageOutcome(record=record, skipped=current)


def run(
    recipe: Mapping[str, Any],
    workdir: Path,
    progress: Progress,
    on_stage: Callable[[StageOutcome], None] = lambda outcome: None,
) -> list[StageRecord]:
    """Run a recipe's stages in order; `on_stage` hears of each one when it is done."""
    records = []
    for stage in STAGES:
        if stage.name not in recipe:
            continue
        outcome = run_stage(stage, recipe[stage.name], workdir, progress)
        on_stage(outcome)
        records.append(outcome.record)
    return records


def follow(recipe: Mapping[str, Any], workdir: Path, group: Processes) -> None:
    """Train along with the first process, which runs the recipe; the other stages are its alone."""
    from nsfwcaps.stages import train

    for shards in group.calls():
        train.follow(recipe["train"], StageFolder(workdir / "train"), shards)


def state(stage: Stage, stage_settings: Any | None, workdir: Path) -> State:
    """Compare a stage's output with its inputs, its files and (if given) its settings."""
    folder = StageFolder(workdir / stage.name)
    record = folder.record()
    if record is None:
        return State.MISSING
    if folder.damaged(record) is not None:
        return State.DAMAGED
    used = stage_settings or _parsed(stage, record)
    inputs = _inputs(stage, used, workdir)
    if any(item is None for item in inputs.values()):
        return State.STALE
    known = cast(Mapping[str, StageRecord], inputs)
    try:
        same = used is not None and _fingerprint(stage, used, known)[0] == record.fingerprint
    except NsfwcapsError:
        if stage_settings is not None:
            raise
        # Without a recipe, sources outside the workdir may be gone; compare what is inside it.
        same = _input_digests(stage, known).items() <= record.inputs.items()
    return State.CURRENT if same else State.STALE


def spread(states: Mapping[str, State]) -> dict[str, State]:
    """Mark stages, given in order, stale that read from one that will run again."""
    out: dict[str, State] = {}
    for name, own in states.items():
        rerun = any(out.get(read, own) is not State.CURRENT for read in STAGE[name].reads)
        out[name] = State.STALE if own is State.CURRENT and rerun else own
    return out


def plan(stage: Stage, stage_settings: Any, workdir: Path) -> Mapping[str, Any]:
    """What a run of this stage would do: its state, and sizes where they are known."""
    inputs = _inputs(stage, stage_settings, workdir)
    known = {name: item for name, item in inputs.items() if item is not None}
    facts: Mapping[str, Any] = {}
    if len(known) == len(inputs):
        facts = _module(stage).plan(stage_settings, known)
    return {"state": state(stage, stage_settings, workdir).value, **facts}


@contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Hold the workdir, so that two commands never write into it at once.

    Raises:
        StorageError: another command holds it.
    """
    import filelock

    made = not workdir.exists()
    workdir.mkdir(parents=True, exist_ok=True)
    lock = workdir / ".lock"
    try:
        with filelock.FileLock(lock, timeout=0):
            try:
                yield
            finally:
                if made and [*workdir.iterdir()] == [lock]:  # a slip, say in a pool's name
                    lock.unlink()
                    workdir.rmdir()
    except filelock.Timeout:
        raise StorageError(
            f"another nsfwcaps command is at work in {workdir}; wait for it or choose another one"
        ) from None


def _module(stage: Stage) -> StageModule:
    return cast(StageModule, importlib.import_module(stage.module))


def _parsed(stage: Stage, record: StageRecord) -> Any | None:
    """Settings of a finished run; None where another version wrote them."""
    try:
        return config.parse(stage.settings, record.settings, where=stage.name)
    except NsfwcapsError:
        return None


def _inputs(
    stage: Stage, stage_settings: Any | None, workdir: Path
) -> dict[str, StageRecord | None]:
    """Record of every stage that this one reads; None where one has not been run."""
    too = () if stage_settings is None else stage.reads_too(stage_settings)
    found = {
        name: StageFolder(workdir / name).record()
        for name in (*stage.reads, *too, *stage.reads_if_there)
    }
    return {
        name: record
        for name, record in found.items()
        if record is not None or name not in stage.reads_if_there
    }


def _require(workdir: Path, name: str, reader: str) -> StageRecord:
    record = StageFolder(workdir / name).record()
    if record is None:
        raise ArtifactError(
            f"{reader} reads the output of {name}, and {workdir / name} has none; "
            f"run 'nsfwcaps {name} --workdir {workdir}' first"
        )
    return record


def _input_digests(stage: Stage, inputs: Mapping[str, StageRecord]) -> dict[str, str]:
    """Digest of every input's content, and where the stage quotes its facts, of those too."""
    digests = {name: record.output_digest for name, record in inputs.items()}
    if stage.quotes_facts:
        digests |= {
            f"{name}.facts": config.digest([record.settings, record.rejects, record.facts])
            for name, record in inputs.items()
        }
    return digests


def _fingerprint(
    stage: Stage, stage_settings: Any, inputs: Mapping[str, StageRecord]
) -> tuple[str, dict[str, str]]:
    module = _module(stage)
    digests = _input_digests(stage, inputs)
    digests |= module.sources(stage_settings)
    whole = {
        "stage": stage.name,
        "version": module.VERSION,
        "settings": config.output_settings(stage_settings),
        "inputs": digests,
    }
    return config.digest(whole), digests
