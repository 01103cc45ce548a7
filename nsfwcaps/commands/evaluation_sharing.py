"""`eval` by several processes: they embed, and the command itself measures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.enums import Device
from nsfwcaps.evaluation.request import EvaluationRequest
from nsfwcaps.evaluation.run import Evaluation
from nsfwcaps.evaluation.shared import EMBEDDING, EmbeddingSettings
from nsfwcaps.executors import parts
from nsfwcaps.executors.claims import Claims
from nsfwcaps.executors.create import executor_of
from nsfwcaps.executors.parts import PartResult
from nsfwcaps.executors.settings import ExecutionSettings, parsed_part
from nsfwcaps.executors.sharing_out import shared
from nsfwcaps.progress import Progress


def make_part(
    request: EvaluationRequest,
    out: Path,
    part: str,
    progress: Progress,
    *,
    alone: Callable[[], AbstractContextManager[None]],
    overwrite: bool,
) -> PartResult:
    """Embed a part of the data sets; `alone` and `overwrite` as in `parts.make_part`.

    Raises:
        StorageError: another process makes this part.
        ModelError: the other parts are made with other options, data or weights.
    """
    settings = EmbeddingSettings.of(request)
    return parts.make_part(
        EMBEDDING,
        settings,
        out,
        {},
        parsed_part(part),
        progress,
        alone=alone,
        overwrite=overwrite,
    )


def share(
    evaluation: Evaluation,
    request: EvaluationRequest,
    out: Path,
    execution: ExecutionSettings,
    progress: Progress,
    *,
    overwrite: bool,
) -> EvaluationRequest:
    """Have an executor embed what is missing; return the request to go on with.

    It names the precision that the workers or the parts have chosen.

    Raises:
        ModelError: the parts were made with other options, data or weights.
    """
    if all(one.done for one in evaluation.planned()):
        return request
    evaluation.begin()
    device = request.models[0].options.device
    executor = executor_of(execution, Device.CPU if device is Device.CPU else Device.AUTO, progress)
    settings = EmbeddingSettings.of(request)
    folder = StageFolder(out / EMBEDDING.name)
    settled = shared(EMBEDDING, settings, folder, {}, progress, executor, overwrite=overwrite)
    return request if settled == settings else replace(request, models=settled.models)


def end(out: Path) -> None:
    """Remove what parts have left, once the evaluation is complete."""
    Claims(out, EMBEDDING.name).remove()
