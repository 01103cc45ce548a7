"""Running and planning stages. A stage that is up to date is skipped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from nsfwcaps import config, extras, missing, subjects
from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.errors import ArtifactError, ConfigError
from nsfwcaps.executors import driver_lock
from nsfwcaps.executors.claims import Claims
from nsfwcaps.executors.executor import Executor
from nsfwcaps.executors.parts import PartResult, make_part
from nsfwcaps.executors.sharing_out import shared
from nsfwcaps.foreseen import check_finished, check_later_stages
from nsfwcaps.freshness import (
    Freshness,
    StageState,
    fingerprint,
    freshness,
    inputs_of,
    spread,
    state,
)
from nsfwcaps.machine import known_rates
from nsfwcaps.models import available
from nsfwcaps.progress import Progress
from nsfwcaps.runtime.processes import Processes
from nsfwcaps.sharing import Part
from nsfwcaps.sizes import sizes_of
from nsfwcaps.stage import CheckingModule, DistributedModule, Recipe, Stage
from nsfwcaps.stage_delivery import deliver, remember
from nsfwcaps.stages import STAGE, STAGES
from nsfwcaps.version import __version__


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
    lost: tuple[str, ...] = ()
    """Lines on input of the run before that this one has no more."""
    other_run: str | None = None
    """How the run that it replaced differed, if that was of other pools."""


def check(recipe: Recipe, *, reading: bool = True, workdir: Path | None = None) -> None:
    """Find problems of late stages before the first one runs.

    Without `reading`, pools are not read, and no network is used; only files that are part of the
    recipe are read. In `workdir`, models of finished stages are not needed again, perhaps.

    Raises:
        ModelError: a stage needs an extra that is not installed.
        NsfwcapsError: as the stage itself would.
    """
    chosen = [(stage, recipe[stage.name]) for stage in STAGES if stage.name in recipe]
    extras.require({x: use for stage, own in chosen for x, use in stage.needs(own).items()})
    for stage, own in chosen:
        _check_models(stage, own, workdir, reaching=reading)
        if stage.checks:
            cast(CheckingModule, stage.load()).check(recipe, reading=reading)


def _check_models(stage: Stage, own: Any, workdir: Path | None, *, reaching: bool) -> None:
    """Check that a stage can load its models, in seconds; one that an earlier run used is left."""
    used = {}
    if workdir is not None and (record := StageFolder(workdir / stage.name).record()) is not None:
        used = dict(record.settings)
    for key, model in stage.models(own).items():
        if used.get(key) != model:
            available.check(model, f"{stage.name}.{key}", reaching=reaching)


def run_stage(
    stage: Stage,
    stage_settings: Any,
    workdir: Path,
    progress: Progress,
    executor: Executor | None = None,
    *,
    overwrite: bool = False,
) -> StageOutcome:
    """Bring a stage up to date; an executor makes the shards that are missing first.

    `overwrite` forgets parts of the stage that were made with other options, code or weights.

    Raises:
        ArtifactError: a required earlier stage has not been run.
        ModelError: parts of the stage were made with other options, code or weights.
    """
    module = stage.load()
    inputs = _inputs(stage, stage_settings, workdir)
    wanted, digests = fingerprint(stage, stage_settings, inputs)
    folder = StageFolder(workdir / stage.name)
    record = folder.record()
    current = record is not None and record.fingerprint == wanted
    lost: tuple[str, ...] = ()
    if record is None or not current or folder.damaged(record) is not None:
        current = False
        started = time.monotonic()
        folder.prepare()
        if record is not None and stage.delivers:
            remember(record, _title(stage, record))
        new = not folder.journal_rows()
        settled = shared(
            stage, stage_settings, folder, inputs, progress, executor, overwrite=overwrite
        )
        result = module.run(settled, folder, inputs, progress)
        if new and not result.rates:
            work = module.plan(stage_settings, inputs).get("work", {})
            spent = time.monotonic() - started
            result = replace(result, rates={kind: (amount, spent) for kind, amount in work.items()})
        known_rates.remember(result.rates)
        lost = subjects.lost(stage, record, folder, result)  # before finishing, which removes files
        record = folder.finish(
            stage=stage.name,
            fingerprint=wanted,
            version=__version__,
            settings=config.as_dict(stage_settings),
            inputs=digests,
            result=result,
            seconds=time.monotonic() - started,
        )
        Claims(workdir, stage.name).remove()
    else:
        folder.tidy(record)
    if not stage.delivers:
        return StageOutcome(record=record, skipped=current, lost=lost)
    delivery = deliver(record, workdir / stage.delivers, stage.owns, _title(stage, record))
    return StageOutcome(
        record=record,
        skipped=current,
        delivered=delivery.new,
        replaced=() if stage.counts_changes else delivery.replaced,
        kept=delivery.notes,
        lost=lost,
    )


def run(
    recipe: Recipe,
    workdir: Path,
    progress: Progress,
    on_stage: Callable[[StageOutcome], None] = lambda outcome: None,
    *,
    overwrite: bool = False,
    executor: Executor | None = None,
) -> list[StageRecord]:
    """Run a recipe's stages in order; `on_stage` is called after each.

    Raises:
        OtherRunError: the folder holds a run of other pools, and `overwrite` is not given.
    """
    differences = subjects.replaced(recipe, workdir, overwrite=overwrite)
    records = []
    for stage in STAGES:
        if stage.name not in recipe:
            continue
        outcome = run_stage(
            stage, recipe[stage.name], workdir, progress, executor, overwrite=overwrite
        )
        outcome = replace(outcome, other_run=differences.get(stage.name))
        on_stage(outcome)
        check_later_stages(recipe, outcome.record)
        records.append(outcome.record)
    return records


def run_part(
    recipe: Recipe, workdir: Path, part: Part, progress: Progress, *, overwrite: bool = False
) -> PartResult | None:
    """Make a part of the first stage that is not up to date; None if all are.

    Raises:
        ConfigError: that stage is not shared.
        OtherRunError: the folder holds a run of other pools, and `overwrite` is not given.
        StorageError: the driver or another process makes the same.
    """
    with driver_lock.without_driver(workdir):
        subjects.replaced(recipe, workdir, overwrite=overwrite)
    for stage in (stage for stage in STAGES if stage.name in recipe):
        own = recipe[stage.name]
        inputs = _inputs(stage, own, workdir)
        folder = StageFolder(workdir / stage.name)
        record = folder.record()
        wanted, _ = fingerprint(stage, own, inputs)
        if record is not None and record.fingerprint == wanted and not folder.damaged(record):
            continue
        why = stage.alone(own)
        if stage.shares is None or why is not None:
            reason = "one process does it" if why is None else why
            raise ConfigError(
                f"{stage.name} is next, and {reason}: run the same command without --part"
            )
        return make_part(
            stage,
            own,
            workdir,
            inputs,
            part,
            progress,
            alone=lambda: driver_lock.without_driver(workdir),
            overwrite=overwrite,
        )
    return None


def _inputs(stage: Stage, stage_settings: Any, workdir: Path) -> dict[str, StageRecord]:
    """Return the records that a stage reads.

    Raises:
        ArtifactError: a required earlier stage has not been run.
    """
    return {
        name: _require(workdir, name, stage.name)
        for name in inputs_of(stage, stage_settings, workdir)
    }


def line(record: StageRecord, *, skipped: bool) -> str:
    """Format a stage's result and duration for display."""
    state = "up to date" if skipped else f"{record.seconds:.1f} s"
    return f"{record.stage:<8}{state:>11}  {headline(record)}"


def notes(outcome: StageOutcome) -> list[str]:
    """Return what a stage says beside its headline, and what delivery kept, one line each."""
    facts = dict(outcome.record.facts)
    if outcome.skipped and not outcome.delivered:
        facts.pop("changes", None)  # said when it was delivered
    other = [] if outcome.other_run is None else [f"replaced another run: {outcome.other_run}"]
    own = STAGE[outcome.record.stage].notes(facts)
    lost = outcome.lost if outcome.other_run is None else ()
    return [*other, *lost, *own, *outcome.replaced, *outcome.kept]


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


def plan(recipe: Recipe, workdir: Path) -> dict[str, Mapping[str, Any]]:
    """Plan the run of a recipe: the state of each stage, and sizes if known.

    Stages whose input files are yet to be delivered by an earlier stage are left out.

    Raises:
        InputError: a stage cannot use what an earlier one has made.
    """

    def sizes(name: str) -> Mapping[str, Any]:
        return sizes_of(STAGE[name], recipe[name], workdir)

    ready = _ready(recipe, workdir)
    lacking = missing.steps(recipe, workdir)
    found = spread({name: freshness(STAGE[name], recipe[name], workdir) for name in ready})
    current = [name for name, own in found.items() if own.state is StageState.CURRENT]
    check_finished(recipe, workdir, current)
    return {
        # Sizes of inputs to be rebuilt come from the last run.
        name: _planned(own, sizes(name) if _fresh(name, found) else {}, lacking.get(name, []))
        for name, own in found.items()
    }


def plan_stage(stage: Stage, stage_settings: Any, workdir: Path) -> Mapping[str, Any]:
    """Plan the run of one stage."""
    own = freshness(stage, stage_settings, workdir)
    return _planned(own, sizes_of(stage, stage_settings, workdir))


def _planned(
    own: Freshness, sizes: Mapping[str, Any], lacking: Sequence[str] = ()
) -> Mapping[str, Any]:
    if own.state is StageState.CURRENT:
        sizes = {name: size for name, size in sizes.items() if name not in ("seconds", "parts")}
    return {"state": own.state.value, "why": [*lacking, *own.why], **sizes}


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


def _fresh(name: str, found: Mapping[str, Freshness]) -> bool:
    """Whether everything that a stage reads is up to date."""
    return all(
        read not in found or found[read].state is StageState.CURRENT for read in STAGE[name].reads
    )


def _require(workdir: Path, name: str, reader: str) -> StageRecord:
    record = StageFolder(workdir / name).record()
    if record is None:
        first = missing.first(name, workdir)
        through = "" if first == name else f"{name}, which needs "
        raise ArtifactError(
            f"{reader} needs {through}the output of {first}, but {workdir / first} has none; "
            f"run '{missing.command(first, workdir)}' first"
        )
    return record
