"""Sizes of a stage's work, and the time that it takes on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.freshness import fingerprint, inputs_of
from nsfwcaps.machine import known_rates
from nsfwcaps.stage import PlannedPart, Stage


def sizes_of(stage: Stage, stage_settings: Any, workdir: Path) -> Mapping[str, Any]:
    """Return what a stage would read, if its inputs are there, and the time as far as known.

    `seconds` is the estimate, None without one; `parts` has that of each part, 0 if done before.
    """
    inputs = inputs_of(stage, stage_settings, workdir)
    known = {name: item for name, item in inputs.items() if item is not None}
    if len(known) < len(inputs):
        return {}
    found = dict(stage.load().plan(stage_settings, known))
    folder = StageFolder(workdir / stage.name)
    record = folder.record()
    measured = {} if record is None else record.rates, known_rates.remembered()
    if (work := found.pop("work", None)) is not None:
        found["seconds"] = known_rates.estimate(work, *measured)
    if (parts := found.pop("parts", None)) is not None:
        done = _done(folder, record, fingerprint(stage, stage_settings, known)[1])
        times = {}
        for name, part in parts.items():
            work = part.work
            if _files_of(part) in done:
                left = part.left(folder) if part.left is not None else 0
                work = dict.fromkeys(work, left)
                found |= {f"{name} items to encode": left} if left else {}
            times[name] = known_rates.estimate(work, *measured) if any(work.values()) else 0.0
        found["parts"] = times
        known_times = [item for item in times.values() if item is not None]
        found["seconds"] = sum(known_times) if len(known_times) == len(times) else None
    return found


_Files = tuple[str | None, str | None]
"""A group of files, and what they were made from."""


def _files_of(part: PlannedPart) -> _Files:
    return part.kept_as, part.made_from


def _done(
    folder: StageFolder, record: StageRecord | None, sources: Mapping[str, str]
) -> set[_Files]:
    """Return the groups of files that an earlier or killed run from the same sources has left."""
    if record is not None and dict(record.inputs) != dict(sources):
        return set()
    return {
        (file.group, shard.facts.get("made_from"))
        for shard in folder.finished_shards()
        for file in shard.files
        if (folder.path / file.path).is_file()
    }
