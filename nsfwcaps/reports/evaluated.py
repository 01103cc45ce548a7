"""What was evaluated, from `run.json` and the results: models, data, settings, gaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nsfwcaps.reports.results import ReportInput

TRAININGS = "trainings"
"""Key of how a model was trained, which has a table of its own."""

Facts = Sequence[tuple[str, str]]
"""Names and values for display."""


@dataclass(frozen=True, kw_only=True)
class EvaluationFacts:
    """Facts about an evaluation."""

    versions: Sequence[str]
    """Versions of nsfwcaps; several if parts were kept from earlier runs."""
    models: Mapping[str, Facts]
    datasets: Mapping[str, Facts]
    settings: Facts
    detectors: Mapping[str, Facts]
    missing: Sequence[str]


def evaluated(evaluation: ReportInput) -> EvaluationFacts:
    """Collect the facts in the records, as far as they are there."""
    run = evaluation.run
    return EvaluationFacts(
        versions=sorted({part.version for part in evaluation.parts}),
        models=_by_name(run.get("models"), apart=(TRAININGS,)),
        datasets=_by_name(run.get("datasets")),
        settings=facts(run.get("settings") or {}),
        detectors=_by_name(run.get("detectors")),
        missing=[_sentence(item) for item in run.get("missing") or ()],
    )


def facts(values: Any) -> list[tuple[str, str]]:
    """Flatten nested values to pairs of name and text.

    >>> facts({"width": 512, "preprocessing": {"size": [224, 224], "fill": None}})
    [('width', '512'), ('preprocessing, size', '224, 224')]
    """
    return list(_flat("", values))


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{name}, {_spaced(key)}" if name else _spaced(key), item)
    elif isinstance(value, list | tuple):
        if value:
            yield name, ", ".join(str(item) for item in value)
    elif isinstance(value, bool):
        yield name, "yes" if value else "no"
    elif isinstance(value, int):
        yield name, f"{value:,}"
    elif isinstance(value, float):
        yield name, f"{value:.4g}"
    elif value not in (None, ""):
        yield name, str(value)


def _spaced(key: object) -> str:
    return str(key).replace("_", " ")


def _by_name(values: Any, apart: Sequence[str] = ()) -> dict[str, Facts]:
    """Return facts by name, from a mapping or from a list of items with a name inside."""
    if isinstance(values, Mapping):
        return {
            str(name): facts({key: value for key, value in item.items() if key not in apart})
            for name, item in values.items()
        }
    return {str(item["name"]): facts(item) for item in values or () if "name" in item}


def _sentence(item: Any) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    place = ", ".join(str(item[key]) for key in ("model", "dataset", "task") if item.get(key))
    return f"{place}: {item.get('reason') or item.get('error') or 'missing'}"
