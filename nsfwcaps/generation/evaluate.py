"""Evaluation by generation: for each model swap the tower, generate, judge; then compare.

    OUT/generated/<data set>/<task>/<model>-<key>/   generated images or captions
    OUT/generated/scores/                            detector scores
    OUT/results/<data set>/<task>/<model>.json       figures, in the format of `nsfwcaps eval`

Comparisons, table and record are shared with `eval`; its entries are preserved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.config import digest
from nsfwcaps.detectors.detector import Detector, DetectorStatement
from nsfwcaps.errors import InputError, ModelError
from nsfwcaps.evaluation.outcome import TaskOutcome
from nsfwcaps.evaluation.results import Origin, ResultFolder, ResultId
from nsfwcaps.generation.generator import Generator, Made
from nsfwcaps.generation.judge import judge
from nsfwcaps.generation.record import Certainty, Summaries
from nsfwcaps.generation.text_state import is_text_state, read_text_state
from nsfwcaps.generation.towers import OWN, read_clip
from nsfwcaps.generation.verdicts import outcome
from nsfwcaps.models.trainings import trainings
from nsfwcaps.progress import Progress

VERSION = 1

_GENERATED = "generated"


@dataclass(frozen=True, kw_only=True)
class GenerationOutcome:
    """The outcome of a generation evaluation."""

    results: Mapping[str, Mapping[str, Any]]
    """Name of a model -> name of a figure -> value, interval and number of queries."""
    comparisons: Sequence[Mapping[str, Any]]
    """Paired comparisons of each other model with the first."""
    missing: Mapping[str, str]
    """Name of an unavailable model -> reason."""
    notes: Sequence[str] = ()
    """A line if an edited table of an earlier run was kept."""


class GenerationEvaluation:
    """Evaluates models with one generator, one set of queries and some detectors."""

    def __init__(
        self,
        generator: Generator,
        detectors: Sequence[Detector[Any]],
        models: Sequence[tuple[str, str]],
        out: Path,
        certainty: Certainty,
    ) -> None:
        self._generator, self._detectors = generator, detectors
        self._models, self._out, self._certainty = models, out, certainty
        self._results = ResultFolder(out)

    def run(self, progress: Progress) -> GenerationOutcome:
        """Evaluate every available model, the base first.

        Raises:
            ModelError: the base is unavailable.
            InputError: no query is usable.
        """
        summaries = Summaries(self._out, self._certainty)
        summaries.claim()
        parts: dict[str, ResultId] = {}
        encoders: dict[str, Mapping[str, Any]] = {}
        missing: dict[str, str] = {}
        for name, model in self._models:
            try:
                encoders[name] = self._put(model)
            except ModelError as error:
                if not parts:  # nothing to compare with
                    raise
                missing[name] = str(error)
                continue
            parts[name] = self._evaluate(name, encoders[name], progress)
        comparisons = summaries.compare([*parts.values()], progress)
        notes = summaries.tabulate()
        self._record(summaries, encoders, missing)
        read = {name: self._results.read(part) for name, part in parts.items()}
        return GenerationOutcome(
            results={name: values["nsfwcaps"]["figures"] for name, values in read.items()},
            comparisons=comparisons,
            missing=missing,
            notes=notes,
        )

    def _record(
        self,
        summaries: Summaries,
        encoders: Mapping[str, Mapping[str, Any]],
        missing: Mapping[str, str],
    ) -> None:
        queries = self._generator.queries
        facts = {"digest": queries.digest, queries.noun: len(queries.categories)}
        summaries.record(
            task=self._generator.task,
            models={
                name: {"trainings": _trainings(model), **encoders[name]}
                for name, model in self._models
                if name in encoders
            },
            dataset=(queries.name, facts),
            detectors=self._statements,
            missing=missing,
        )

    @property
    def _statements(self) -> list[DetectorStatement]:
        return [detector.statement for detector in self._detectors]

    def _put(self, model: str) -> dict[str, Any]:
        """Swap in a model's tower and return its identity."""
        if model == OWN:
            self._generator.put(None)
            return {"name": OWN}
        if is_text_state(model):
            state = read_text_state(model)
            self._generator.put(state)
            return state.identity()
        clip = read_clip(model)
        self._generator.put(clip)
        return clip.identity(self._generator.tower)

    def _evaluate(self, name: str, encoder: Mapping[str, Any], progress: Progress) -> ResultId:
        generator = self._generator
        part = ResultId(dataset=generator.queries.name, task=generator.task, model=name)
        made_of = digest([VERSION, generator.identity])
        folder = self._out / _GENERATED / generator.queries.name / generator.task.value
        made = generator.make(folder / f"{name}-{made_of[:12]}", progress)
        if not made.items:
            raise InputError(f"{generator.queries.name}: no usable {generator.queries.noun}")
        settings = self._settings()
        self._results.write(
            part,
            self._outcome(made, progress),
            Origin(
                key=digest([made_of, generator.queries.digest, settings]),
                pretrained=encoder["name"],
                encoder=encoder,
                data_digest=generator.queries.digest,
                settings=settings,
            ),
        )
        return part

    def _outcome(self, made: Made, progress: Progress) -> TaskOutcome:
        generator, queries = self._generator, self._generator.queries
        scores = judge(self._detectors, made.items, self._out / _GENERATED / "scores", progress)
        categories = [names for n, names in enumerate(queries.categories) if n not in made.left_out]
        reasons = sorted(made.left_out.values())
        facts = {
            queries.noun: len(made.items),
            generator.noun: sum(map(len, made.items)),
            "left_out": {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
        }
        return outcome(
            generator.noun, generator.task.value, scores, self._statements, categories, facts
        )

    def _settings(self) -> dict[str, Any]:
        return {
            **self._generator.settings,
            "detectors": {
                item.name: {"scores": item.scores_digest, "threshold": item.threshold}
                for item in self._statements
            },
        }


def _trainings(model: str) -> list[dict[str, Any]]:
    return [] if model == OWN else [asdict(training) for training in trainings(model)]
