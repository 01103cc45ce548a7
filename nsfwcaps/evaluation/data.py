"""The data sets of an evaluation; an unreadable one is reported and the rest continue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from nsfwcaps.config import digest
from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.class_sets import ClassSet, read_class_set
from nsfwcaps.evaluation.datasets.image_sets import ImageSet, read_images
from nsfwcaps.evaluation.datasets.pair_set import PairSet
from nsfwcaps.evaluation.datasets.pairs import read_pairs
from nsfwcaps.evaluation.datasets.pictures import PictureSet
from nsfwcaps.evaluation.request import EvaluationRequest, EvaluationTask
from nsfwcaps.progress import Progress

DISTRACTORS = "distractors"

_OF_PAIRS = (
    EvaluationTask.RETRIEVAL,
    EvaluationTask.PREFERENCES,
    EvaluationTask.STRUCTURE,
    EvaluationTask.REAL_NSFW,
)

Set = TypeVar("Set")


@dataclass(frozen=True, kw_only=True)
class Missing:
    """An unavailable part and the reason; a field that is None covers all of its kind."""

    reason: str
    model: str | None = None
    dataset: str | None = None
    task: EvaluationTask | None = None

    def __str__(self) -> str:
        place = ", ".join(item for item in (self.model, self.dataset, self.task) if item)
        return f"{place}: {self.reason}" if place else self.reason

    @property
    def facts(self) -> dict[str, str | None]:
        """The fields as JSON."""
        task = self.task.value if self.task else None
        return {
            "model": self.model, "dataset": self.dataset, "task": task, "reason": self.reason,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Data:
    """Data sets by name."""

    pairs: Mapping[str, PairSet]
    classes: Mapping[str, ClassSet]
    unsafe_images: Mapping[str, ImageSet]
    distractors: ImageSet | None

    @property
    def texts(self) -> PairSet | None:
        """The pair set whose captions are used with real unsafe images: the first."""
        return next(iter(self.pairs.values()), None)

    @property
    def safe_pictures(self) -> PictureSet | None:
        """Safe images to mix with real unsafe images."""
        if self.distractors is not None:
            return self.distractors.pictures
        return self.texts.safe_pictures if self.texts is not None else None

    def digest(self, dataset: str, task: EvaluationTask) -> str:
        """Digest of all data that a task reads from a data set."""
        if task is EvaluationTask.ZEROSHOT:
            return self.classes[dataset].digest
        if task is not EvaluationTask.REAL_NSFW:
            return self.pairs[dataset].digest
        assert self.texts is not None, "the plan includes this task only if captions exist"
        safe = self.distractors.digest if self.distractors is not None else None
        return digest([self.unsafe_images[dataset].digest, safe, self.texts.digest])

    @property
    def facts(self) -> dict[str, Any]:
        """Digest and counts of each set, as JSON."""
        sets: dict[str, PairSet | ClassSet | ImageSet] = {
            **self.pairs,
            **self.classes,
            **self.unsafe_images,
        }
        if self.distractors is not None:
            sets[DISTRACTORS] = self.distractors
        return {
            name: {"digest": one.digest, "counts": one.counts, "left_out": one.left_out}
            for name, one in sets.items()
        }


def open_data(request: EvaluationRequest, progress: Progress) -> tuple[Data, list[Missing]]:
    """Read the data sets that the requested tasks need."""
    missing: list[Missing] = []

    def read(name: str, reader: Callable[[], Set]) -> dict[str, Set]:
        try:
            return {name: reader()}
        except InputError as error:
            missing.append(Missing(dataset=name, reason=str(error)))
            return {}

    pairs: dict[str, PairSet] = {}
    classes: dict[str, ClassSet] = {}
    unsafe: dict[str, ImageSet] = {}
    distractors: dict[str, ImageSet] = {}
    if any(request.wants(task) for task in _OF_PAIRS):
        for name, url in request.pairs:
            places = request.split, request.image_root
            pairs |= read(name, partial(read_pairs, name, url, *places, progress, by=request.by))
    if request.wants(EvaluationTask.ZEROSHOT):
        for one in request.class_sets:
            split = request.split.of_classes if request.split else None
            classes |= read(one.name, partial(read_class_set, one, split, progress))
    if request.wants(EvaluationTask.REAL_NSFW):
        for name, url in request.unsafe_images:
            unsafe |= read(name, partial(read_images, name, url, progress))
        if unsafe and request.distractors is not None:
            distractors = read(
                DISTRACTORS, partial(read_images, DISTRACTORS, request.distractors, progress)
            )
            if not distractors:  # other distractors would measure something else
                unsafe = {}
    found = Data(
        pairs=pairs,
        classes=classes,
        unsafe_images=unsafe,
        distractors=distractors.get(DISTRACTORS),
    )
    return found, missing
