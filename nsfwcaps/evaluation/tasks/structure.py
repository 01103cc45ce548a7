"""Structure: what training did to a model's space and weights, beside the model it began from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsfwcaps.evaluation.inputs import Vectors
from nsfwcaps.evaluation.outcome import Outcome


def score(
    after: Mapping[str, Vectors],
    before: Mapping[str, Vectors],
    *,
    weights_after: Mapping[str, Mapping[str, Any]] | None = None,
    weights_before: Mapping[str, Mapping[str, Any]] | None = None,
    k: int = 10,
) -> Outcome:
    """Compare unit rows `[n, d]` of each kind ("safe text", …), and state dicts of each tower.

    Figure "spread ratio KIND", values "overlap KIND" and "drift KIND" of each row, figure
    "weight deviation TOWER", and in the facts the deviation of every layer. Towers ("text",
    "image") are named by who calls; the names in their state dicts must be the same before and
    after. A kind with no more than k rows has no overlap.

    Raises:
        ValueError: kinds, rows or weights are not the same before and after.
    """
    raise NotImplementedError
