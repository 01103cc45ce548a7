"""Which stages are up to date, and why the others are not.

A stage's fingerprint is the digest of its settings, its inputs' contents and its version. A stage
whose finished record has the same fingerprint is up to date.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from nsfwcaps import changes, config
from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.errors import NsfwcapsError
from nsfwcaps.stage import Stage
from nsfwcaps.stage_delivery import undelivered
from nsfwcaps.stages import STAGE
from nsfwcaps.stores import address as addresses


class StageState(enum.StrEnum):
    """State of a stage's output relative to its settings and inputs."""

    CURRENT = "up to date"
    STALE = "stale"
    DAMAGED = "damaged"
    MISSING = "not run"


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """State of a stage, and the reasons why it is not up to date, one line each."""

    state: StageState
    why: tuple[str, ...] = ()


def state(stage: Stage, stage_settings: Any | None, workdir: Path) -> StageState:
    """Compare a stage's output with its inputs, files and, if given, settings."""
    return freshness(stage, stage_settings, workdir).state


def freshness(stage: Stage, stage_settings: Any | None, workdir: Path) -> Freshness:
    """Compare a stage's output with its inputs, files and, if given, settings; say what differs.

    Raises:
        ArtifactError: the stage's record is damaged.
        NsfwcapsError: the settings are given, and a source outside the workdir cannot be read.
    """
    folder = StageFolder(workdir / stage.name)
    record = folder.record()
    left = _interrupted(folder, record)
    if record is None:
        go_on = f"interrupted: {left}; rerun the command to continue"
        return Freshness(state=StageState.MISSING, why=(go_on,) if left else ())
    if (name := folder.damaged(record)) is not None:
        fault = "changed" if (folder.path / name).exists() else "missing"
        return Freshness(state=StageState.DAMAGED, why=(f"{stage.name}/{name} is {fault}",))
    found = _differences(stage, stage_settings, record, workdir)
    reached = StageState.STALE if found else StageState.CURRENT
    if left:
        found.append(f"interrupted rerun: {left}")
    if stage.delivers:
        found += undelivered(record, workdir / stage.delivers)
    return Freshness(state=reached, why=tuple(found))


def spread(found: Mapping[str, Freshness]) -> dict[str, Freshness]:
    """Mark stages as stale that read from one that will run again; expects them in order."""
    out: dict[str, Freshness] = {}
    for name, own in found.items():
        rerun = [
            read
            for read in STAGE[name].reads
            if read in out and out[read].state is not StageState.CURRENT
        ]
        if rerun and own.state in (StageState.CURRENT, StageState.STALE):
            again = f"{_listed(rerun)} will run again"
            out[name] = replace(own, state=StageState.STALE, why=(*own.why, again))
        else:
            out[name] = own
    return out


def inputs_of(
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


def fingerprint(
    stage: Stage, stage_settings: Any, inputs: Mapping[str, StageRecord]
) -> tuple[str, dict[str, str]]:
    """Return the fingerprint of a run, and the digests of what it would read, by name."""
    module = stage.load()
    digests = _input_digests(stage, inputs)
    digests |= module.sources(stage_settings)
    whole = {
        "stage": stage.name,
        "version": module.VERSION,
        "settings": config.output_settings(stage_settings),
        "inputs": digests,
    }
    # A mirror is elsewhere on each machine.
    return config.digest(addresses.shown_values(whole)), digests


def _differences(
    stage: Stage, stage_settings: Any | None, record: StageRecord, workdir: Path
) -> list[str]:
    """Say how a finished stage differs from what a run would read and do; nothing if it is same."""
    used = stage_settings or _parsed(stage, record)
    inputs = inputs_of(stage, used, workdir)
    if missing := [name for name, item in inputs.items() if item is None]:
        return [f"{name} has not run" for name in missing]
    if used is None:
        return [f"its settings were written by nsfwcaps {record.version}, and are read no more"]
    known = cast(Mapping[str, StageRecord], inputs)
    try:
        wanted, digests = fingerprint(stage, used, known)
    except NsfwcapsError:
        if stage_settings is not None:
            raise
        # Without a recipe, sources outside the workdir may be gone: compare what is inside.
        inside = _input_digests(stage, known)
        before = {name: record.inputs.get(name) for name in inside}
        # A new setting of this version's counts, as with a recipe.
        now = config.output_settings(used)
        return [*changes.of_settings(record.settings, now), *changes.of_inputs(before, inside)]
    if wanted == record.fingerprint:
        return []
    now = config.output_settings(used)
    # Files that a changed setting names are not listed a second time.
    pools = {
        f"{name}:{changes.as_shown(item)}"
        for name, value in now.items()
        if value != record.settings.get(name)
        for values in (value, record.settings.get(name))
        if isinstance(values, list)
        for item in map(str, values)
    }
    found = [
        *changes.of_settings(record.settings, now),
        *changes.of_inputs(record.inputs, digests, known=pools),
    ]
    return found or [f"nsfwcaps {record.version} made it, and {stage.name} has changed since"]


def _interrupted(folder: StageFolder, record: StageRecord | None) -> str | None:
    """Say what a run that was interrupted has left; None if there is nothing."""
    finished = {file.path for file in record.files} if record else set()
    left = [
        shard
        for shard in folder.finished_shards()
        if any(file.path not in finished for file in shard.files)
    ]
    rows = sum(shard.rows_in for shard in left)
    return f"{_counted(len(left), 'shard')}, {rows:,} rows done" if left else None


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _parsed(stage: Stage, record: StageRecord) -> Any | None:
    """Return the settings of a finished run, or None if another version wrote them."""
    try:
        return config.parse(stage.settings, record.settings, where=stage.name)
    except NsfwcapsError:
        return None


def _input_digests(stage: Stage, inputs: Mapping[str, StageRecord]) -> dict[str, str]:
    """Digest the content of every input and, if the stage quotes them, its facts."""
    digests = {name: record.output_digest for name, record in inputs.items()}
    if stage.quotes_facts:
        digests |= {
            f"{name}.facts": config.digest(
                addresses.shown_values([record.settings, record.rejects, record.facts])
            )
            for name, record in inputs.items()
        }
    return digests
