"""The driver's side: phase after phase, parts to whoever is free."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.enums import Device
from nsfwcaps.executors.claims import Claims
from nsfwcaps.executors.executor import Crew, Executor, Job
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.parts import agreed_by_parts
from nsfwcaps.progress import Progress
from nsfwcaps.sharing import Part, Phase
from nsfwcaps.stage import Stage

_PARTS_FOR_EACH = 8
"""Parts for each worker, so that all end at nearly the same time."""
_LEAST_SHARDS = 4
"""Shards of a part, as long as there are enough parts: reading ahead pays within a part."""


def shared(
    stage: Stage,
    stage_settings: Any,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
    executor: Executor | None,
    *,
    overwrite: bool = False,
) -> Any:
    """Have an executor make missing shards; return the settings to go on with.

    Those name what an executor or parts have decided, such as the precision of their devices.
    `overwrite` forgets parts that were made with other options, code or weights.
    """
    if stage.shares is None:
        return stage_settings
    if (why := stage.alone(stage_settings)) is not None:
        if executor is not None:
            progress.note(f"{stage.name}: {why}")
        return stage_settings
    workdir = folder.path.parent
    claims = Claims(workdir, stage.name)
    if claims.all():
        order = Order.of(stage.name, stage_settings, workdir, inputs)
        if overwrite:
            claims.forget_others(order)
        if (agreed := agreed_by_parts(claims.all(), order)) is not None:
            settled = stage.load_shares().settled(stage_settings, agreed)
            stage_settings = for_this_machine(settled)
    if executor is not None:
        return share_out(executor, stage, stage_settings, folder, inputs, progress)
    return stage_settings


def share_out(
    executor: Executor,
    stage: Stage,
    settings: Any,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> Any:
    """Have the missing shards of a stage made; return the settings that the stage goes on with.

    Those name what the workers decided, such as a precision that only their devices have.
    """
    module = stage.load_shares()
    order = Order.of(stage.name, settings, folder.path.parent, inputs)
    with executor.open(order) as crew:
        if not crew.size:
            return for_this_machine(settings)
        settled = module.settled(settings, crew.agreed)
        for phase in module.phases(settled, folder, inputs):
            _make(crew, stage.name, phase, progress)
            folder.look_again()
    return for_this_machine(settled)


def for_this_machine(settings: Any) -> Any:
    """Return settings for a driver that may lack the GPU that its workers have."""
    if settings.device is Device.CUDA:
        import torch

        if not torch.cuda.is_available():
            return dataclasses.replace(settings, device=Device.CPU)
    return settings


def _make(crew: Crew, stage: str, phase: Phase, progress: Progress) -> None:
    parts = parts_of(phase.shards, crew.size, phase.held)
    jobs = [
        Job(phase=phase.name, part=Part(number, parts), held=number % phase.held)
        for number in range(parts)
    ]
    name = f"{stage}: {phase.name}, {crew.size} workers"
    with progress.task(name, phase.rows, unit=phase.unit) as advance:
        for made in crew.make(jobs):
            advance(made.rows)


def parts_of(shards: int, workers: int, held: int = 1) -> int:
    """Return the number of parts to cut a phase into: several for each worker, none empty.

    It is a multiple of `held`, as is the number of shards.

    >>> parts_of(610, 2), parts_of(6, 2), parts_of(0, 2), parts_of(610, 2, held=10)
    (152, 6, 0, 160)
    """
    parts = min(shards, max(_PARTS_FOR_EACH * workers, shards // _LEAST_SHARDS))
    return -(-parts // held) * held
