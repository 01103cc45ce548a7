"""Which tasks run on which data sets, and why others do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nsfwcaps.evaluation.data import Data, Missing
from nsfwcaps.evaluation.datasets.pair_set import PairSet
from nsfwcaps.evaluation.datasets.pictures import MISSING
from nsfwcaps.evaluation.paper.needs import missing_for_paper
from nsfwcaps.evaluation.request import EvaluationRequest, EvaluationTask
from nsfwcaps.evaluation.results import ResultId

Place = tuple[str, EvaluationTask]
"""A data set and a task on it."""

NEEDS_IMAGES = (EvaluationTask.PREFERENCES, EvaluationTask.ZEROSHOT, EvaluationTask.REAL_NSFW)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A part and whether it is done; None if only loading the model would tell."""

    part: ResultId
    done: bool | None


def plan(request: EvaluationRequest, data: Data, out: Path) -> tuple[list[Place], list[Missing]]:
    """Choose what runs; tasks that were requested by name and cannot run are missing.

    For the paper's suite, `out` may hold results of generation already.
    """
    places: list[Place] = []
    missing: list[Missing] = []
    for dataset, task, reason in _candidates(request, data):
        if reason is None:
            places.append((dataset, task))
        elif request.tasks is not None or task is EvaluationTask.REAL_NSFW:
            # requested by naming images
            missing.append(Missing(dataset=dataset, task=task, reason=reason))
    missing += _without_data(request)
    if request.paper:
        missing += missing_for_paper(request, data, out)
    return places, missing


def _candidates(
    request: EvaluationRequest, data: Data
) -> Iterator[tuple[str, EvaluationTask, str | None]]:
    """Yield data set, task, and the reason if it cannot run."""
    for name, pairs in data.pairs.items():
        if request.wants(EvaluationTask.RETRIEVAL):
            yield name, EvaluationTask.RETRIEVAL, None
        if request.wants(EvaluationTask.PREFERENCES):
            why = None if has_tuples(pairs) else "no pair has both a safe and an unsafe image"
            yield name, EvaluationTask.PREFERENCES, why
        if request.wants(EvaluationTask.STRUCTURE):
            why = None if len(request.models) > 1 else "needs two models; add another --model"
            yield name, EvaluationTask.STRUCTURE, why
    for name in data.classes:
        yield name, EvaluationTask.ZEROSHOT, None
    for name in data.unsafe_images:
        if data.safe_pictures is None:
            yield name, EvaluationTask.REAL_NSFW, "needs the captions of a pair set; add --data"
        elif not len(data.safe_pictures):
            yield name, EvaluationTask.REAL_NSFW, "no safe images to mix in; add --distractors"
        else:
            yield name, EvaluationTask.REAL_NSFW, None


def _without_data(request: EvaluationRequest) -> Iterator[Missing]:
    """Yield tasks that were requested by name but have no data set."""
    for task in request.named_tasks:
        if task is EvaluationTask.ZEROSHOT and not request.class_sets:
            yield Missing(task=task, reason="no classification set; add --zeroshot")
        elif task is EvaluationTask.REAL_NSFW and not request.unsafe_images:
            yield Missing(task=task, reason="no unsafe images; add --unsafe-images")
        elif task not in (EvaluationTask.ZEROSHOT, EvaluationTask.REAL_NSFW) and not request.pairs:
            yield Missing(task=task, reason="no pair set; add --data")


def has_tuples(pairs: PairSet) -> bool:
    """Tell whether any pair has both images."""
    both = (pairs.safe_image_of != MISSING) & (pairs.unsafe_image_of != MISSING)
    return bool(np.any(both))
