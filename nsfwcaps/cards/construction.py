"""The section of a data set card on how its unsafe captions were written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# In processing order, which a record does not keep.
STEPS = {
    "rows": "rows of the pool that were read",
    "captions": "usable captions, copies folded",
    "usable": "those that passed the checks of the safe side",
    "requests": "edits asked for",
    "proposals": "edits that came back",
    "candidates": "edits that passed every check",
    "pairs": "pairs chosen",
}
QUANTILES = {
    "min": "least",
    "p10": "tenth percentile",
    "p50": "median",
    "p90": "ninetieth percentile",
    "max": "greatest",
}


def summary(stages: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the construct stage's facts with table rows, or None without such a stage."""
    if "construct" not in stages:
        return None
    facts = stages["construct"]["facts"]
    return {
        **facts,
        "steps": [(what, facts["steps"][name]) for name, what in STEPS.items()],
        "quantiles": [(what, facts["alignment"][name]) for name, what in QUANTILES.items()],
    }
