"""Results of an evaluation as a report needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Cosines = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number, and its interval where it has one; None is a number that could not be had."""

    value: float | None
    low: float | None
    high: float | None
    n: int | None
    """Queries that it is the mean of."""


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """One task of one model on one data set."""

    dataset: str
    task: str
    model: str
    data_digest: str
    version: str
    settings: Mapping[str, Any]
    figures: Mapping[str, Figure]
    by_category: Mapping[str, Mapping[str, Figure]]
    """Name of a figure -> category -> figure."""
    facts: Mapping[str, Any]

    @property
    def basis(self) -> str:
        """What must be equal for two models' parts to be compared."""
        return repr((self.data_digest, self.version, sorted(self.settings.items())))


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """A paired test of a model against the base; the difference is model - base."""

    difference: float
    low: float | None
    high: float | None
    p_holm: float | None
    shown: bool


Key = tuple[str, str, str, str]
"""Data set, task, figure, model: what has one comparison."""


@dataclass(frozen=True, kw_only=True)
class ReportInput:
    """All that a folder of results holds, and what of it could not be read."""

    models: tuple[str, ...]
    """The base of all comparisons stands first."""
    parts: tuple[TaskResult, ...]
    comparisons: Mapping[Key, ModelComparison]
    run: Mapping[str, Any]
    cosines: Mapping[str, Mapping[str, Mapping[str, Cosines]]]
    """Data set -> model -> kind of pair -> cosine of each pair."""
    examples: Mapping[str, Any]
    """Data set -> its `examples.json`."""
    problems: tuple[str, ...]
    """What is damaged or missing, by file."""

    @property
    def base(self) -> str:
        """The first model."""
        return self.models[0]

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets, in alphabetical order."""
        return sorted({part.dataset for part in self.parts})
