"""An evaluation: read the data sets, measure each model in turn, then compare.

    OUT/vectors/                     cached vectors of each model
    OUT/results/<dataset>/<task>/    one result per model (results.py)
    OUT/results/<dataset>/similarities/<model>.npz, examples.json
    OUT/comparisons.json             paired tests of each model against the base
    OUT/results.csv                  every figure
    OUT/run.json                     what was evaluated, and what is missing; written last

A part is recomputed only if its key changes: a digest of the model, the data, the settings and
this code's version. An unavailable part is reported and the rest continue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.config import digest
from nsfwcaps.errors import InputError, ModelError
from nsfwcaps.evaluation.byproducts import Derived
from nsfwcaps.evaluation.data import Missing, open_data
from nsfwcaps.evaluation.items import items_of
from nsfwcaps.evaluation.measure import Measurer
from nsfwcaps.evaluation.models import Model, check_models
from nsfwcaps.evaluation.plan import Planned, plan
from nsfwcaps.evaluation.record import check_folder, read_record, write_record
from nsfwcaps.evaluation.request import EvaluationRequest, EvaluationTask
from nsfwcaps.evaluation.results import Origin, ResultFolder, ResultId, write_csv
from nsfwcaps.evaluation.vectors import ItemSet, VectorFolder
from nsfwcaps.progress import Progress
from nsfwcaps.version import __version__

VERSION = 5
_VERSIONS = {EvaluationTask.STRUCTURE: 2}
"""Of single tasks: raising one leaves the results of the others current."""


@dataclass(frozen=True, kw_only=True)
class EvaluationOutcome:
    """The outcome of an evaluation."""

    parts: Sequence[ResultId]
    made: Sequence[ResultId]
    """The parts computed by this run."""
    comparisons: Sequence[Mapping[str, Any]]
    missing: Sequence[Missing]
    left_out: Mapping[str, Mapping[str, int]]
    """Unusable rows and images of each data set, by reason."""
    counts: Mapping[str, Mapping[str, int]]
    """Items of each data set."""
    captions_alone: Sequence[str]
    """Pair sets without images."""
    results: ResultFolder
    notes: Sequence[str] = ()
    """A line if an edited table of an earlier run was kept."""


class Evaluation:
    """An evaluation and its output folder."""

    def __init__(self, request: EvaluationRequest, out: Path, progress: Progress) -> None:
        """Check the models, then read the data sets.

        Raises:
            StorageError: the folder holds other files.
            ModelError: the base cannot be loaded.
            InputError: no task can run.
        """
        check_folder(out)
        self._request, self._out, self._progress = request, out, progress
        self._models = [Model(named, out / "vectors") for named in request.models]
        broken = check_models(self._models, progress)
        self._data, unread = open_data(request, progress)
        self._places, unplanned = plan(request, self._data, out)
        unloadable = (Missing(model=name, reason=reason) for name, reason in broken.items())
        self._missing = [*unloadable, *unread, *unplanned]
        if not self._places:
            reasons = [str(item) for item in self._missing] or ["no data set was given; add --data"]
            raise InputError(f"nothing to evaluate: {'; '.join(reasons)}")
        self._results = ResultFolder(out)
        self._folder = VectorFolder(out / "vectors", progress)
        before = read_record(out).get("derived")
        known = before if isinstance(before, dict) else {}
        self._derived = Derived(out, self._data, known, progress)

    @property
    def missing(self) -> Sequence[Missing]:
        """Unavailable parts known so far."""
        return self._missing

    def planned(self) -> list[Planned]:
        """List what would run, without loading a model or writing a file."""
        found = []
        for model in self._models:
            if model.is_broken:
                continue
            known = _is_known(model) and _is_known(self._models[0])
            for part in self._parts(model):
                done = self._results.is_current(part, self._key(part, model)) if known else None
                found.append(Planned(part=part, done=done))
        return found

    def begin(self) -> None:
        """Mark the folder as an evaluation's, before anything else is written to it."""
        if not read_record(self._out):
            self._write_record({})

    @property
    def models(self) -> list[Model]:
        """The models that can be loaded, as far as is known."""
        return [model for model in self._models if not model.is_broken]

    @property
    def data_digest(self) -> str:
        """Digest of all data sets."""
        return digest({name: facts["digest"] for name, facts in self._data.facts.items()})

    def items(self, model: Model) -> list[ItemSet[Any]]:
        """Return everything that a model encodes.

        Raises:
            ModelError: the model cannot be loaded.
        """
        return items_of(self._data, self._places, images=model.identity.image_width is not None)

    def run(self) -> EvaluationOutcome:
        """Measure missing parts, compare the models, and write the record.

        Raises:
            ModelError: the base cannot be loaded.
        """
        self.begin()
        base = Measurer(self._models[0], None, self._data, self._folder, self._progress)
        measurers = [base]
        there, made = self._measure_all(base, base)
        if any(self._needs_structure(model) for model in self._models[1:]):
            self._precompute_base(base)
        base.close()
        for model in self._models[1:]:
            measurer = Measurer(model, base, self._data, self._folder, self._progress)
            measurers.append(measurer)
            found, new = self._measure_all(measurer, base)
            measurer.close()
            there, made = [*there, *found], [*made, *new]
        self._examples(measurers, there)
        comparisons = self._derived.comparisons(
            self._pairs(there),
            seed=self._request.seed,
            samples=self._request.samples,
            margin=self._request.margin,
        )
        self._results.remove_others(there)
        self._derived.remove_others()
        notes = write_csv(self._out, self._results, there, comparisons, self._results.others())
        self._write_record(self._identities(there))
        return EvaluationOutcome(
            parts=there,
            made=made,
            comparisons=comparisons,
            missing=self._missing,
            left_out={name: facts["left_out"] for name, facts in self._data.facts.items()},
            counts={name: facts["counts"] for name, facts in self._data.facts.items()},
            captions_alone=[name for name, one in self._data.pairs.items() if one.captions_alone],
            results=self._results,
            notes=notes,
        )

    def _parts(self, model: Model) -> list[ResultId]:
        """Parts of a model; structure is not measured for the base itself."""
        return [
            ResultId(dataset=dataset, task=task, model=model.name)
            for dataset, task in self._places
            if task is not EvaluationTask.STRUCTURE or model is not self._models[0]
        ]

    def _measure_all(
        self, measurer: Measurer, base: Measurer
    ) -> tuple[list[ResultId], list[ResultId]]:
        """Measure a model; return its available parts, and those of them that are new."""
        there: list[ResultId] = []
        made: list[ResultId] = []
        model = measurer.model
        for part in self._parts(model):
            if model.is_broken:
                break
            try:
                key = self._key(part, model)
                if not self._results.is_current(part, key):
                    self._measure(part, key, measurer)
                    made.append(part)
                there.append(part)
                if part.task is EvaluationTask.RETRIEVAL:
                    self._derived.similarities(measurer, part.dataset)
            except (ModelError, InputError) as error:
                if model.is_broken and measurer is base:
                    raise
                self._missing.append(
                    Missing(model=model.name, reason=str(error))
                    if model.is_broken
                    else _missing_part(part, error)
                )
        return there, made

    def _measure(self, part: ResultId, key: str, measurer: Measurer) -> None:
        outcome = measurer.measure(part.dataset, EvaluationTask(part.task))
        identity = measurer.model.public_identity
        origin = Origin(
            key=key,
            pretrained=identity["name"],
            encoder=identity,
            data_digest=self._data.digest(part.dataset, EvaluationTask(part.task)),
            settings={},
        )
        self._results.write(part, outcome, origin)

    def _key(self, part: ResultId, model: Model) -> str:
        """Digest of everything a part depends on."""
        # Structure is a change from the base; retrieval takes equivalents by the base's vectors.
        by_base = part.task in (EvaluationTask.STRUCTURE, EvaluationTask.RETRIEVAL)
        base = self._models[0].identity.digest if by_base else None
        data = self._data.digest(part.dataset, EvaluationTask(part.task))
        version = [VERSION, *(v for task, v in _VERSIONS.items() if task == part.task)]
        return digest([*version, part.task, model.identity.digest, base, data])

    def _needs_structure(self, model: Model) -> bool:
        """Tell whether the structure task has yet to run for a model."""
        parts = [part for part in self._parts(model) if part.task is EvaluationTask.STRUCTURE]
        try:
            if parts and not model.is_known:
                return True
            return any(not self._results.is_current(p, self._key(p, model)) for p in parts)
        except ModelError:  # reported when its turn comes
            return False

    def _precompute_base(self, base: Measurer) -> None:
        """Precompute what other models are compared with, to avoid loading the base beside them."""
        base.weights()
        for dataset, task in self._places:
            if task is EvaluationTask.STRUCTURE:
                base.pairs(dataset)

    def _pairs(self, there: Sequence[ResultId]) -> list[tuple[ResultId, ResultId]]:
        """Pairs of the base's part and another model's, where both exist."""
        base = self._models[0].name
        of_base = {(part.dataset, part.task): part for part in there if part.model == base}
        return [
            (of_base[part.dataset, part.task], part)
            for part in there
            if part.model != base and (part.dataset, part.task) in of_base
        ]

    def _examples(self, measurers: Sequence[Measurer], there: Sequence[ResultId]) -> None:
        for dataset, task in self._places:
            models = {part.model for part in there if (part.dataset, part.task) == (dataset, task)}
            if self._request.examples and task is EvaluationTask.RETRIEVAL and models:
                chosen = [one for one in measurers if one.model.name in models]
                self._derived.examples(dataset, chosen)

    def _identities(self, there: Sequence[ResultId]) -> dict[str, Any]:
        names = {part.model for part in there}
        return {model.name: model.facts for model in self._models if model.name in names}

    def _write_record(self, models: Mapping[str, Any]) -> None:
        request = self._request
        tasks = request.tasks or list(dict.fromkeys(task for _, task in self._places))
        record = {
            "nsfwcaps": __version__,
            "models": models,
            "datasets": self._data.facts,
            "settings": {
                "base": self._models[0].name,
                "suite": [task.value for task in tasks],
                "split": request.split.value if request.split else None,
                "by": request.by,
                "samples": request.samples,
                "seed": request.seed,
                "margin": request.margin,
            },
            "missing": [item.facts for item in self._missing],
            "derived": self._derived.files,
        }
        write_record(self._out, record, self._results.others())


def _is_known(model: Model) -> bool:
    try:
        return model.is_known
    except ModelError:
        return False


def _missing_part(part: ResultId, error: Exception) -> Missing:
    return Missing(
        model=part.model, dataset=part.dataset, task=EvaluationTask(part.task), reason=str(error)
    )
