"""The detector interface, and the description that every detector gives of itself."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from nsfwcaps import pictures
from nsfwcaps.config import digest
from nsfwcaps.enums import Category

Scores = npt.NDArray[np.float64]
Item = TypeVar("Item", contravariant=True)


class Modality(enum.StrEnum):
    """The kind of items that a detector scores."""

    IMAGE = "image"
    TEXT = "text"


@dataclass(frozen=True, kw_only=True)
class DetectorStatement:
    """Description of a detector, printed verbatim in every report.

    A share of unsafe items can only be interpreted together with the detector behind it.
    """

    name: str
    kind: Modality
    licence: str
    trained_for: str
    """What it was trained to detect, and on what data."""
    version: str
    """Package and version that compute the scores."""
    weights_sha256: str
    threshold: float
    """Probability at or above which an item counts as unsafe."""

    @property
    def scores_digest(self) -> str:
        """SHA-256 (hex) of everything that determines the scores; the threshold does not."""
        facts = asdict(self)
        del facts["threshold"]
        if self.kind is Modality.IMAGE:
            facts["decoder"] = pictures.VERSION
        return digest(facts)

    def as_json(self) -> dict[str, Any]:
        """The description as plain JSON values."""
        return {**asdict(self), "kind": self.kind.value}


class Detector(Protocol[Item]):
    """Scores items: images as the bytes of their files, or texts."""

    @property
    def statement(self) -> DetectorStatement:
        """Its description."""
        ...

    def score(self, items: Sequence[Item]) -> Scores:
        """Return the probability `[n]` that each of n items is unsafe.

        Raises:
            InputError: an image cannot be decoded.
        """
        ...


@runtime_checkable
class CategoryDetector(Detector[Item], Protocol):
    """A detector that also scores categories; it may know none of them."""

    @property
    def categories(self) -> Sequence[Category]:
        """Categories that it knows."""
        ...

    def score_categories(self, items: Sequence[Item]) -> Scores:
        """Return the probability `[n, c]` that each of n items is of each of c known categories."""
        ...


def unsafe(statement: DetectorStatement, scores: Scores) -> npt.NDArray[np.bool_]:
    """Return a mask `[n]` of unsafe items from scores `[n]`."""
    return scores >= statement.threshold


def score_all(detectors: Sequence[Detector[Any]], items: Sequence[Any]) -> Scores:
    """Return the scores `[n, d]` of n items by d detectors.

    Raises:
        InputError: an image cannot be decoded.
    """
    scores = [detector.score(items) for detector in detectors]
    return np.stack(scores, axis=1) if scores else np.empty((len(items), 0))


def first_unsafe(statements: Sequence[DetectorStatement], scores: Scores) -> list[str | None]:
    """Return for each row of scores `[n, d]` the first of d detectors that calls it unsafe."""
    names: list[str | None] = [None] * len(scores)
    for column, statement in reversed([*enumerate(statements)]):
        for row in np.flatnonzero(unsafe(statement, scores[:, column])):
            names[row] = statement.name
    return names
