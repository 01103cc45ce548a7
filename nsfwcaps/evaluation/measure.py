"""Measuring one model: vectors of a data set are computed once for all its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nsfwcaps.errors import InputError, ModelError
from nsfwcaps.evaluation.data import Data
from nsfwcaps.evaluation.embedding import (
    GatheredPairs,
    gather_pairs,
    kinds,
    mixed_vectors,
    zero_shot_vectors,
)
from nsfwcaps.evaluation.equivalents import Equivalents, described, equivalents
from nsfwcaps.evaluation.models import Model, Weights
from nsfwcaps.evaluation.outcome import TaskOutcome
from nsfwcaps.evaluation.plan import NEEDS_IMAGES
from nsfwcaps.evaluation.request import EvaluationTask
from nsfwcaps.evaluation.right_answer import notes, overlap_notes, right_answer
from nsfwcaps.evaluation.tasks import preferences, real_nsfw, retrieval, structure, zeroshot
from nsfwcaps.evaluation.vectors import VectorFolder
from nsfwcaps.metrics.tiles import Task
from nsfwcaps.progress import Progress


class Measurer:
    """Measures one model; the structure task compares it with `base`."""

    def __init__(
        self,
        model: Model,
        base: Measurer | None,
        data: Data,
        folder: VectorFolder,
        progress: Progress,
    ) -> None:
        self.model = model
        self._base = base
        self._data = data
        self._folder = folder
        self._progress = progress
        self._held: tuple[str, GatheredPairs] | None = None
        self._weights: dict[str, Weights] | None = None
        self._equivalents: dict[str, Equivalents] = {}

    def measure(self, dataset: str, task: EvaluationTask) -> TaskOutcome:
        """Run one task.

        Raises:
            ModelError: the model cannot be loaded, or cannot do the task.
            InputError: the data set lacks what the task needs.
        """
        if task in NEEDS_IMAGES and self.model.identity.image_width is None:
            raise ModelError("the model cannot encode images")
        if task is EvaluationTask.ZEROSHOT:
            images, left_out = zero_shot_vectors(
                self._data.classes[dataset], self.model, self._folder
            )
            _check_any(len(images.labels))
            classes = self._data.classes[dataset]
            return _add_facts(
                zeroshot.score(images, device=self.model.device),
                templates=f"{len(classes.templates)}, {classes.templates_of}",
                notes=classes.notes,
                left_out=left_out,
            )
        if task is EvaluationTask.REAL_NSFW:
            return self._real_nsfw(dataset)
        pairs = self.pairs(dataset)
        if task is EvaluationTask.STRUCTURE:
            return self._structure(dataset, pairs)
        if task is EvaluationTask.PREFERENCES:
            vectors = pairs.vectors
            _check_any(0 if vectors.safe_image is None else len(vectors.safe_image))
            _check_any(0 if vectors.unsafe_image is None else len(vectors.unsafe_image))
            told = overlap_notes(self._data.pairs[dataset])
            return _add_facts(preferences.score(vectors), notes=told, left_out=pairs.left_out)
        return self._retrieval(dataset, pairs)

    def pairs(self, dataset: str) -> GatheredPairs:
        """Vectors of a pair set; only the latest set is held in memory."""
        if self._held is None or self._held[0] != dataset:
            self._held = None  # free these before computing the next
            found = gather_pairs(self._data.pairs[dataset], self.model, self._folder)
            self._held = dataset, found
        return self._held[1]

    def equivalents(self, dataset: str) -> Equivalents:
        """Right answers beyond each pair's own, by this model's vectors."""
        if dataset not in self._equivalents:
            gathered = self.pairs(dataset)
            rows = gathered.vectors
            self._equivalents[dataset] = equivalents(
                self._data.pairs[dataset],
                rows.safe_text,
                rows.safe_image,
                gathered.safe_pictures,
                device=self.model.device,
                task=self._task("near-duplicates"),
            )
        return self._equivalents[dataset]

    def weights(self) -> dict[str, Weights]:
        """State dicts of the towers, held on the CPU."""
        if self._weights is None:
            self._weights = self.model.weights()
        return self._weights

    def close(self) -> None:
        """Release the model and the vectors; weights that were read are kept."""
        self.model.close()
        self._held = None

    def _task(self, what: str) -> Task:
        name = f"{self.model.name}: {what}"
        return lambda total: self._progress.task(name, total, unit="cosines")

    def _retrieval(self, dataset: str, pairs: GatheredPairs) -> TaskOutcome:
        base = self._base or self
        found, read = base.equivalents(dataset), self._data.pairs[dataset]
        outcome = retrieval.score(
            pairs.with_equivalents(found), device=self.model.device, task=self._task("ranks")
        )
        return _add_facts(
            outcome,
            right_answer=right_answer(read),
            notes=notes(read, base.model.identity.name),
            equivalents=described(found, base.model.name),
            left_out=pairs.left_out,
        )

    def _real_nsfw(self, dataset: str) -> TaskOutcome:
        texts, safe = self._data.texts, self._data.safe_pictures
        assert texts is not None, "planned only with captions and images"
        assert safe is not None, "planned only with captions and images"
        mixed, left_out = mixed_vectors(
            self._data.unsafe_images[dataset], safe, texts, self.model, self._folder
        )
        _check_any(len(mixed.unsafe_image))
        _check_any(len(mixed.safe_image))
        return _add_facts(
            real_nsfw.score(mixed, device=self.model.device, task=self._task("ranks")),
            left_out=left_out,
            captions_of=texts.name,
        )

    def _structure(self, dataset: str, pairs: GatheredPairs) -> TaskOutcome:
        assert self._base is not None, "structure is not planned for the base"
        after, before = self.model.identity, self._base.model.identity
        if after.width != before.width:
            raise ModelError(
                f"vectors have width {after.width}, those of {self._base.model.name} have "
                f"width {before.width}; structure needs equal widths"
            )
        rows, base_rows = kinds(pairs.vectors), kinds(self._base.pairs(dataset).vectors)
        both = [kind for kind in rows if kind in base_rows]
        weights, base_weights = self.model.weights(), self._base.weights()
        towers = [name for name in weights if _same_shapes(weights[name], base_weights.get(name))]
        outcome = structure.score(
            {kind: rows[kind] for kind in both},
            {kind: base_rows[kind] for kind in both},
            weights_after={name: weights[name] for name in towers},
            weights_before={name: base_weights[name] for name in towers},
            device=self.model.device,
            task=self._task("neighbours"),
        )
        other = [name for name in weights if name not in towers]
        return _add_facts(outcome, left_out=pairs.left_out, towers_of_other_architecture=other)


def _add_facts(outcome: TaskOutcome, **facts: Any) -> TaskOutcome:
    """Add facts, except empty ones."""
    known = dict(outcome.facts)
    for name, value in facts.items():
        if isinstance(value, Mapping) and isinstance(known.get(name), Mapping):
            known[name] = {**known[name], **value}
        elif value:
            known[name] = value
    return replace(outcome, facts=known)


def _same_shapes(after: Weights, before: Weights | None) -> bool:
    """Tell whether two state dicts have the same names and shapes."""
    if before is None or not after:
        return False
    shapes = [
        {name: tuple(tensor.shape) for name, tensor in one.items()} for one in (after, before)
    ]
    return shapes[0] == shapes[1]


def _check_any(count: int) -> None:
    if not count:
        raise InputError("none of its images can be decoded")
