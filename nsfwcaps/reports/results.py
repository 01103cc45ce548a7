"""Results of an evaluation, as a report uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Cosines = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number and its interval; None where it is missing."""

    value: float | None
    low: float | None
    high: float | None
    n: int | None
    """Number of queries behind the mean."""
    units: int | None = None
    """Number of independent units among these queries."""


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
        """Key that must be equal for two models' parts to be comparable."""
        return repr((self.data_digest, self.version, sorted(self.settings.items())))


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """A paired comparison of a model with the base; the difference is model − base."""

    difference: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    """None for secondary figures, which are outside of Holm's family."""
    margin: float | None
    """Largest loss that still counts as kept; None for secondary figures."""
    verdict: str | None
    """`gained`, `lost`, `kept` or `undecided`; None for secondary figures."""


Key = tuple[str, str, str, str]
"""Data set, task, figure, model: the key of a comparison."""


@dataclass(frozen=True, kw_only=True)
class ReportInput:
    """Everything read from a results folder, and the problems met."""

    models: tuple[str, ...]
    """All models, the base first."""
    parts: tuple[TaskResult, ...]
    comparisons: Mapping[Key, ModelComparison]
    run: Mapping[str, Any]
    cosines: Mapping[str, Mapping[str, Mapping[str, Cosines]]]
    """Data set -> model -> kind of pair -> cosine of each pair."""
    examples: Mapping[str, Any]
    """Data set -> its `examples.json`."""
    problems: tuple[str, ...]
    """Damaged or missing files."""

    @property
    def base(self) -> str:
        """The first model."""
        return self.models[0]

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets, in alphabetical order."""
        return sorted({part.dataset for part in self.parts})
