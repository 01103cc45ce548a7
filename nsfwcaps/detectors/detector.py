"""What every detector offers, and what it says of itself."""

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
    """What a detector looks at."""

    IMAGE = "image"
    TEXT = "text"


@dataclass(frozen=True, kw_only=True)
class DetectorStatement:
    """What a detector is. A share of unsafe items means no more than the detector that found them.

    It goes into every report, as it stands.
    """

    name: str
    kind: Modality
    licence: str
    trained_for: str
    """What it was trained to tell, and on what."""
    version: str
    """Package and version whose code computes the scores."""
    weights_sha256: str
    threshold: float
    """Probability from which on an item counts as unsafe."""

    @property
    def scores_digest(self) -> str:
        """Sha256 (hex) of what decides the scores; the threshold does not."""
        facts = asdict(self)
        del facts["threshold"]
        if self.kind is Modality.IMAGE:
            facts["decoder"] = pictures.VERSION
        return digest(facts)

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {**asdict(self), "kind": self.kind.value}


class Detector(Protocol[Item]):
    """Tells unsafe items: pictures as the bytes of their files, or texts."""

    @property
    def statement(self) -> DetectorStatement:
        """What it is."""
        ...

    def score(self, items: Sequence[Item]) -> Scores:
        """Probability `[n]` that each of n items is unsafe.

        Raises:
            InputError: a picture cannot be decoded.
        """
        ...


@runtime_checkable
class CategoryDetector(Detector[Item], Protocol):
    """A detector that also tells categories apart, or, where it knows none of them, does not."""

    @property
    def categories(self) -> Sequence[Category]:
        """Those that it knows."""
        ...

    def score_categories(self, items: Sequence[Item]) -> Scores:
        """Probability `[n, c]` that each of n items is of each of c known categories."""
        ...


def unsafe(statement: DetectorStatement, scores: Scores) -> npt.NDArray[np.bool_]:
    """Which of n items are unsafe, `[n]`, by their scores `[n]`."""
    return scores >= statement.threshold
