"""The request of an evaluation."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from nsfwcaps.errors import ConfigError
from nsfwcaps.evaluation.datasets.class_sets import ClassSetRequest
from nsfwcaps.evaluation.datasets.splits import AskedSplit
from nsfwcaps.evaluation.models import NamedModel
from nsfwcaps.evaluation.verdicts import MARGIN
from nsfwcaps.metrics.paired_tests import FLIPS


class EvaluationTask(enum.StrEnum):
    """A kind of measurement."""

    RETRIEVAL = "retrieval"
    PREFERENCES = "preferences"
    ZEROSHOT = "zeroshot"
    STRUCTURE = "structure"
    REAL_NSFW = "real-nsfw"


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """Models, data sets, tasks, and settings of the tests."""

    models: Sequence[NamedModel]
    """The first is the base that the others are compared with."""
    pairs: Sequence[tuple[str, str]] = ()
    """Name and URL of each pair set; likewise `unsafe_images`."""
    class_sets: Sequence[ClassSetRequest] = ()
    unsafe_images: Sequence[tuple[str, str]] = ()
    distractors: str | None = None
    """Safe images to mix with the unsafe ones; None for those of the first pair set."""
    tasks: Sequence[EvaluationTask] | None = None
    """None: all tasks that the data supports."""
    split: AskedSplit | None = None
    image_root: str | None = None
    by: str | None = None
    """Column of the pair sets by whose values figures are also given; None for the category."""
    samples: int = FLIPS
    seed: int = 0
    margin: float = MARGIN
    examples: bool = True

    def wants(self, task: EvaluationTask) -> bool:
        """Tell whether a task is requested, explicitly or by default."""
        return self.tasks is None or task in self.tasks


def parse_suite(given: Sequence[str]) -> list[EvaluationTask] | None:
    """Parse tasks, each a word or a list such as `retrieval,zeroshot`; None without any.

    >>> [task.value for task in parse_suite(["retrieval, structure", "zeroshot"])]
    ['retrieval', 'structure', 'zeroshot']

    Raises:
        ConfigError: an unknown task, or an empty list.
    """
    if not given:
        return None
    words = [word.strip() for text in given for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in list(EvaluationTask)]
    if unknown or not words:
        raise ConfigError(
            f"--suite: unknown task '{', '.join(unknown) or ', '.join(given)}'; choose from "
            f"{','.join(EvaluationTask)}"
        )
    return [EvaluationTask(word) for word in dict.fromkeys(words)]
