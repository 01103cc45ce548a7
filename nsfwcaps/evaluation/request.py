"""What is asked of an evaluation."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from nsfwcaps.errors import ConfigError
from nsfwcaps.evaluation.datasets.class_sets import ClassSetRequest
from nsfwcaps.evaluation.datasets.splits import AskedSplit
from nsfwcaps.evaluation.models import NamedModel


class EvaluationTask(enum.StrEnum):
    """What is measured."""

    RETRIEVAL = "retrieval"
    PREFERENCES = "preferences"
    ZEROSHOT = "zeroshot"
    STRUCTURE = "structure"
    REAL_NSFW = "real-nsfw"


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """Models, data sets, tasks, and how certain the figures shall be."""

    models: Sequence[NamedModel]
    """The first is the base of all comparisons."""
    pairs: Sequence[tuple[str, str]] = ()
    """Name and place of each pair set; so `unsafe_images`."""
    class_sets: Sequence[ClassSetRequest] = ()
    unsafe_images: Sequence[tuple[str, str]] = ()
    distractors: str | None = None
    """Safe pictures beside the unsafe ones; those of the first pair set where there are none."""
    tasks: Sequence[EvaluationTask] | None = None
    """None: those that the data allows."""
    split: AskedSplit | None = None
    image_root: str | None = None
    samples: int = 2000
    seed: int = 0
    examples: bool = True

    def wants(self, task: EvaluationTask) -> bool:
        """Tell whether a task is to run where it can."""
        return self.tasks is None or task in self.tasks


def parse_suite(text: str | None) -> list[EvaluationTask] | None:
    """Tasks of a list such as `retrieval,zeroshot`.

    >>> parse_suite("retrieval, structure")
    [<Task.RETRIEVAL: 'retrieval'>, <Task.STRUCTURE: 'structure'>]

    Raises:
        ConfigError: a name that is no task's.
    """
    if text is None:
        return None
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in list(EvaluationTask)]
    if unknown or not words:
        raise ConfigError(
            f"--suite: '{', '.join(unknown) or text}' names no task; write some of "
            f"{','.join(EvaluationTask)}"
        )
    return [EvaluationTask(word) for word in dict.fromkeys(words)]
