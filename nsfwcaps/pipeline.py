"""Running and planning stages, and deciding which are up to date.

A stage's fingerprint is the digest of its settings, its inputs' contents and its version. A stage
whose finished record has the same fingerprint is skipped.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from nsfwcaps import config, extras
from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.errors import ArtifactError, NsfwcapsError, StorageError
from nsfwcaps.progress import Progress
from nsfwcaps.runtime.processes import Processes
from nsfwcaps.stage import CheckingModule, DistributedModule, Recipe, Stage
from nsfwcaps.stage_delivery import deliver, remember
from nsfwcaps.stages import STAGE, STAGES
from nsfwcaps.version import __version__


class StageState(enum.StrEnum):
    """State of a stage's output relative to its settings and inputs."""

    CURRENT = "up to date"
    STALE = "stale"
    DAMAGED = "damaged"
    MISSING = "not run"


@dataclass(frozen=True, kw_only=True)
class StageOutcome:
    """Result of `run_stage`: the record, and whether the stage was skipped."""

    record: StageRecord
    skipped: bool
    delivered: bool = False
    """Whether the folder for the user has got another output than it had."""
    replaced: tuple[str, ...] = ()
    """A line on the output of an earlier run that this one replaces."""
    kept: tuple[str, ...] = ()
    """Lines on files of the user that delivery has kept or found."""


def check(recipe: Recipe, *, reading: bool = True) -> None:
    """Find problems of late stages before the first one runs.

    Without `reading`, pools are not read; only files that are part of the recipe are.

    Raises:
        ModelError: a stage needs an extra that is not installed.
        NsfwcapsError: as the stage itself would.
    """
    chosen = [(stage, recipe[stage.name]) for stage in STAGES if stage.name in recipe]
    extras.require({x: use for stage, own in chosen for x, use in stage.needs(own).items()})
    for stage, _ in chosen:
        if stage.checks:
            cast(CheckingModule, stage.load()).check(recipe, reading=reading)


def run_stage(stage: Stage, stage_settings: Any, workdir: Path, progress: Progress) -> StageOutcome:
    """Bring a stage up to date.

    Raises:
        ArtifactError: a required earlier stage has not been run.
    """
    module = stage.load()
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
        if record is not None and stage.delivers:
            remember(record, _title(stage, record))
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
    if not stage.delivers:
        return StageOutcome(record=record, skipped=current)
    delivery = deliver(record, workdir / stage.delivers, stage.owns, _title(stage, record))
    return StageOutcome(
        record=record,
        skipped=current,
        delivered=delivery.new,
        replaced=() if stage.counts_changes else delivery.replaced,
        kept=delivery.notes,
    )


def run(
    recipe: Recipe,
    workdir: Path,
    progress: Progress,
    on_stage: Callable[[StageOutcome], None] = lambda outcome: None,
) -> list[StageRecord]:
    """Run a recipe's stages in order; `on_stage` is called after each."""
    records = []
    for stage in STAGES:
        if stage.name not in recipe:
            continue
        outcome = run_stage(stage, recipe[stage.name], workdir, progress)
        on_stage(outcome)
        records.append(outcome.record)
    return records


def line(record: StageRecord, *, skipped: bool) -> str:
    """Format a stage's result and duration for display."""
    state = "up to date" if skipped else f"{record.seconds:.1f} s"
    return f"{record.stage:<8}{state:>11}  {headline(record)}"


def notes(outcome: StageOutcome) -> list[str]:
    """Return what a stage says beside its headline, and what delivery kept, one line each."""
    facts = dict(outcome.record.facts)
    if outcome.skipped and not outcome.delivered:
        facts.pop("changes", None)  # said when it was delivered
    return [*STAGE[outcome.record.stage].notes(facts), *outcome.replaced, *outcome.kept]


def indented(note: str) -> str:
    """Format a note for display below its stage's line."""
    return f"{'':<8}{'':>11}  {note}"


def headline(record: StageRecord) -> str:
    """Format a stage's key figures and its rejects by reason."""
    figures = STAGE[record.stage].headline(record.facts)
    if not record.rejects:
        return figures
    why = ", ".join(f"{count:,} {reason}" for reason, count in record.rejects.items())
    return f"{figures}; set aside: {why}"


def _title(stage: Stage, record: StageRecord) -> str:
    """Return an output's key figures; nothing if a record of an earlier version lacks some."""
    try:
        return stage.headline(record.facts)
    except (LookupError, TypeError):
        return ""


def follow(recipe: Recipe, workdir: Path, group: Processes) -> None:
    """Share the work of a recipe's distributed stage, led by the first process."""
    for stage in STAGES:
        if stage.name in recipe and stage.distributed:
            module = cast(DistributedModule, stage.load())
            for shards in group.calls():
                module.follow(recipe[stage.name], StageFolder(workdir / stage.name), shards)


def state(stage: Stage, stage_settings: Any | None, workdir: Path) -> StageState:
    """Compare a stage's output with its inputs, files and, if given, settings."""
    folder = StageFolder(workdir / stage.name)
    record = folder.record()
    if record is None:
        return StageState.MISSING
    if folder.damaged(record) is not None:
        return StageState.DAMAGED
    used = stage_settings or _parsed(stage, record)
    inputs = _inputs(stage, used, workdir)
    if any(item is None for item in inputs.values()):
        return StageState.STALE
    known = cast(Mapping[str, StageRecord], inputs)
    try:
        same = used is not None and _fingerprint(stage, used, known)[0] == record.fingerprint
    except NsfwcapsError:
        if stage_settings is not None:
            raise
        # Without a recipe, sources outside the workdir may be gone: compare what is inside.
        same = _input_digests(stage, known).items() <= record.inputs.items()
    return StageState.CURRENT if same else StageState.STALE


def spread(states: Mapping[str, StageState]) -> dict[str, StageState]:
    """Mark stages as stale that read from one that will run again; expects them in order."""
    out: dict[str, StageState] = {}
    for name, own in states.items():
        rerun = any(out.get(read, own) is not StageState.CURRENT for read in STAGE[name].reads)
        out[name] = StageState.STALE if own is StageState.CURRENT and rerun else own
    return out


def plan(recipe: Recipe, workdir: Path) -> dict[str, Mapping[str, Any]]:
    """Plan the run of a recipe: the state of each stage, and sizes if known.

    Stages whose input files are yet to be delivered by an earlier stage are left out.
    """
    plans = {
        name: plan_stage(STAGE[name], recipe[name], workdir) for name in _ready(recipe, workdir)
    }
    states = spread({name: StageState(facts["state"]) for name, facts in plans.items()})
    return {
        # Sizes of inputs to be rebuilt come from the last run.
        name: {**(facts if _fresh(name, states) else {}), "state": states[name].value}
        for name, facts in plans.items()
    }


def plan_stage(stage: Stage, stage_settings: Any, workdir: Path) -> Mapping[str, Any]:
    """Plan the run of one stage."""
    inputs = _inputs(stage, stage_settings, workdir)
    known = {name: item for name, item in inputs.items() if item is not None}
    facts: Mapping[str, Any] = {}
    if len(known) == len(inputs):
        facts = stage.load().plan(stage_settings, known)
    return {"state": state(stage, stage_settings, workdir).value, **facts}


def _ready(recipe: Recipe, workdir: Path) -> list[str]:
    """List stages that can be planned: those whose delivered input files exist."""
    undelivered: set[str | None] = set()
    unready: set[str] = set()
    for stage in (stage for stage in STAGES if stage.name in recipe):
        waits = stage.reads_delivered in undelivered or unready & {*stage.reads}
        if waits:
            unready.add(stage.name)
        if stage.delivers is not None and (
            waits or state(stage, recipe[stage.name], workdir) is not StageState.CURRENT
        ):
            undelivered.add(stage.delivers)
    return [name for name in STAGE if name in recipe and name not in unready]


def _fresh(name: str, states: Mapping[str, StageState]) -> bool:
    """Whether everything that a stage reads is up to date."""
    return all(
        states.get(read, StageState.CURRENT) is StageState.CURRENT for read in STAGE[name].reads
    )


@contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Lock the workdir, so that two commands never write to it at once.

    Raises:
        StorageError: another command holds the lock.
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
                if made and [*workdir.iterdir()] == [lock]:  # for example a mistyped pool
                    lock.unlink()
                    workdir.rmdir()
    except filelock.Timeout:
        raise StorageError(
            f"another nsfwcaps command is using {workdir}; wait for it, or choose another --workdir"
        ) from None


def _parsed(stage: Stage, record: StageRecord) -> Any | None:
    """Return the settings of a finished run, or None if another version wrote them."""
    try:
        return config.parse(stage.settings, record.settings, where=stage.name)
    except NsfwcapsError:
        return None


def _inputs(
    stage: Stage, stage_settings: Any | None, workdir: Path
) -> dict[str, StageRecord | None]:
    """Return the records of all stages that this one reads, or None if one is missing."""
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
            f"{reader} needs the output of {name}, but {workdir / name} has none; "
            f"run 'nsfwcaps {name} --workdir {workdir}' first"
        )
    return record


def _input_digests(stage: Stage, inputs: Mapping[str, StageRecord]) -> dict[str, str]:
    """Digest the content of every input and, if the stage quotes them, its facts."""
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
    module = stage.load()
    digests = _input_digests(stage, inputs)
    digests |= module.sources(stage_settings)
    whole = {
        "stage": stage.name,
        "version": module.VERSION,
        "settings": config.output_settings(stage_settings),
        "inputs": digests,
    }
    return config.digest(whole), digests
