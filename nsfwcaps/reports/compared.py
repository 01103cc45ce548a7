"""What was compared: how each model was trained, and how many items each data set has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nsfwcaps.reports.evaluated import TRAININGS, facts
from nsfwcaps.reports.figures import NONE
from nsfwcaps.reports.results import ReportInput

COLUMNS = ("method", "data", "steps", "epoch kept", "learning rate")
_UNTRAINED = "not trained by nsfwcaps"
_UNKNOWN = "not recorded; run the same 'nsfwcaps eval' command again"
_DIGITS = 12
_COUNTS = "counts"


@dataclass(frozen=True, kw_only=True)
class ComparedModel:
    """A training of a model, in words; an untrained model has one row, without values."""

    model: str
    before: bool
    """Whether this training came before that of the row above."""
    values: Sequence[str]
    """One for each of `COLUMNS`."""


@dataclass(frozen=True, kw_only=True)
class ComparedData:
    """A data set, with the counts of its items."""

    dataset: str
    counts: str
    digest: str


def models(evaluation: ReportInput) -> list[ComparedModel]:
    """Say how each model was trained, the last training first."""
    known = evaluation.run.get("models")
    known = known if isinstance(known, Mapping) else {}
    return [row for name in evaluation.models for row in _rows(name, known.get(name))]


def data(evaluation: ReportInput) -> list[ComparedData]:
    """Count the items of each data set with results."""
    known = evaluation.run.get("datasets")
    known = known if isinstance(known, Mapping) else {}
    return [_counted(name, known.get(name) or {}) for name in evaluation.datasets]


def _rows(name: str, about: Any) -> Iterator[ComparedModel]:
    found = about.get(TRAININGS) if isinstance(about, Mapping) else None
    if not found:
        named = about.get("named") or about.get("name") if isinstance(about, Mapping) else None
        word = _UNTRAINED if found is not None else _UNKNOWN
        values = (f"{named}, {word}" if named else word, *(NONE for _ in COLUMNS[1:]))
        yield ComparedModel(model=name, before=False, values=values)
    for number, training in enumerate(found or ()):
        yield ComparedModel(model=name, before=number > 0, values=_training(training))


def _training(known: Mapping[str, Any]) -> tuple[str, ...]:
    towers, strength = known.get("towers") or (), known.get("strength", 1)
    method = f"{known.get('method')} from {known.get('base')}: {known.get('trained')}"
    if towers:
        method += f", of {' and '.join(map(str, towers))}"
    if strength != 1:
        method += f"; strength {strength:g}"
    digest = str(known.get("data_sha256") or "")[:_DIGITS]
    title = known.get("data")
    kept, epochs, rate = (known.get(key) for key in ("kept_epoch", "epochs", "learning_rate"))
    return (
        method,
        f"{title or ''}{f' ({digest})' if title and digest else digest}" or "not recorded",
        f"{known['steps']:,}" if known.get("steps") is not None else NONE,
        NONE if kept is None else f"{kept} of {epochs}" if epochs is not None else f"{kept}",
        NONE if rate is None else f"{rate:g}",
    )


def _counted(name: str, about: Mapping[str, Any]) -> ComparedData:
    counts = about.get(_COUNTS)
    if not isinstance(counts, Mapping):
        counts = {key: item for key, item in about.items() if isinstance(item, int)}
    words = [f"{text} {what}" for what, text in facts(counts)]
    return ComparedData(
        dataset=name,
        counts=", ".join(words) or "not recorded",
        digest=str(about.get("digest") or "")[:_DIGITS],
    )
