"""Figures by category, all models side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nsfwcaps.reports.figures import HEADLINES, headlines_first
from nsfwcaps.reports.results import Figure
from nsfwcaps.reports.tables import Table


@dataclass(frozen=True, kw_only=True)
class Categories:
    """One figure by category; None if a model lacks it."""

    dataset: str
    figure: str
    models: Sequence[str]
    rows: Mapping[str, Sequence[Figure | None]]


def categories(tables: Sequence[Table]) -> list[Categories]:
    """Collect the headline figures that were measured by category."""
    found = []
    for table in tables:
        names = {name for part in table.parts for name in part.by_category if name in HEADLINES}
        if table.compared:
            found += [_by_category(table, name) for name in names]
    return sorted(found, key=lambda item: (headlines_first(item.figure), item.dataset))


def _by_category(table: Table, name: str) -> Categories:
    each = [part.by_category.get(name, {}) for part in table.parts]
    labels = sorted({label for figures in each for label in figures})
    return Categories(
        dataset=table.dataset,
        figure=name,
        models=table.models,
        rows={label: [figures.get(label) for figures in each] for label in labels},
    )
