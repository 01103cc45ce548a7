"""The outcome of a task: per-query values, and figures without a per-query mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]
Units = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """Outcome of one task of one model on one data set.

    On the same input two models' outcomes list the same queries in the same order, so values of
    the same name can be compared pairwise.
    """

    task: str
    values: Mapping[str, Values] = field(default_factory=dict)
    """Name of a figure -> value `[q]` per query; the figure is the mean."""
    groups: Mapping[str, Names] = field(default_factory=dict)
    """Name of a figure -> category `[q]` per query, if the data has categories.

    `[q, c]` if a query may have up to c categories; '' means no category.
    """
    units: Mapping[str, Units] = field(default_factory=dict)
    """Name of a figure -> resampling unit `[q]` of each query.

    Queries that share a target, a picture or a caption vary together and are one unit. Without an
    entry every query is a unit of its own.
    """
    unbounded: frozenset[str] = frozenset()
    """Figures that are ratios or distances. The mean of every other figure is from 0 to 1, even if
    weighted values exceed 1, as in mean per-class recall."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Figures that are not a mean over queries."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """JSON-serialisable counts of queries and candidates, and what was left out and why."""
