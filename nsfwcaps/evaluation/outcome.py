"""What a task of an evaluation found: values of its queries, and figures that are no mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """One task of one model on one data set.

    Two models' outcomes on the same input list the same queries in the same order: values of one
    name can be compared pair by pair.
    """

    task: str
    values: Mapping[str, Values] = field(default_factory=dict)
    """Name of a figure -> value `[q]` of every query; the figure is their mean."""
    groups: Mapping[str, Names] = field(default_factory=dict)
    """Name of a figure -> category `[q]` of every query, where the data has categories.

    `[q, c]` where a query may have up to c of them; '' is none.
    """
    figures: Mapping[str, float] = field(default_factory=dict)
    """Figures that are no mean over queries."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Counts of queries and candidates, and what was left out and why; JSON can hold it."""
