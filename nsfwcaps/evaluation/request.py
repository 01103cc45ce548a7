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


PAPER = "paper"
"""A word for all tasks of the paper's tables, which are then shown beside the figures."""
_OF_PAPER = (EvaluationTask.RETRIEVAL, EvaluationTask.ZEROSHOT, EvaluationTask.REAL_NSFW)


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
    paper: bool = False
    """Whether the paper's suite was requested: what its tables need and lack is missing."""
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

    @property
    def named_tasks(self) -> list[EvaluationTask]:
        """Tasks requested by name; those of the paper's suite have reasons of their own."""
        return [task for task in self.tasks or () if not (self.paper and task in _OF_PAPER)]


def parse_suite(given: Sequence[str]) -> list[EvaluationTask] | None:
    """Parse tasks, each a word or a list such as `retrieval,zeroshot`; None without any.

    `paper` is short for the tasks of the paper's tables.

    >>> [task.value for task in parse_suite(["retrieval, structure", "zeroshot"])]
    ['retrieval', 'structure', 'zeroshot']

    Raises:
        ConfigError: an unknown task, or an empty list.
    """
    if not given:
        return None
    words = _words(given)
    unknown = [word for word in words if word not in [*EvaluationTask, PAPER]]
    if unknown or not words:
        raise ConfigError(
            f"--suite: unknown task '{', '.join(unknown) or ', '.join(given)}'; choose from "
            f"{','.join([*EvaluationTask, PAPER])}"
        )
    tasks = [
        task for word in words for task in (_OF_PAPER if word == PAPER else (EvaluationTask(word),))
    ]
    return list(dict.fromkeys(tasks))


def asks_paper(given: Sequence[str]) -> bool:
    """Tell whether the paper's suite is among the words given.

    >>> asks_paper(["structure, paper"])
    True
    """
    return PAPER in _words(given)


def _words(given: Sequence[str]) -> list[str]:
    return [word.strip() for text in given for word in text.split(",") if word.strip()]
