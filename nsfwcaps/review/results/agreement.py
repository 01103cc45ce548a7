"""Inter-annotator agreement by question, from independent verdicts only (none by leads)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from nsfwcaps.metrics.agreement import (
    RESAMPLES,
    Coefficient,
    Level,
    Ratings,
    agreement,
)
from nsfwcaps.review import tables
from nsfwcaps.review.log.answers import QUESTIONS, Choice, named_category
from nsfwcaps.review.log.outcomes import Bodies

MEANING = "meaning"
CATEGORY = "category"


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement on one question."""

    question: str
    """`choice`, or the name of a question."""
    level: Level
    coefficients: list[Coefficient]


def ratings(connection: sa.Connection) -> dict[str, Ratings]:
    """Return the ratings of each question and of the choice, by name.

    A question skipped because a side failed earlier has no rating. For the category question,
    `right` is replaced by the name of the category that it was said of.
    """
    rows = connection.execute(_verdicts()).all()
    bodies = Bodies()
    given = [bodies[row.body] for row in rows]
    cells = _numbers(row.pair_id for row in rows), _numbers(row.account_id for row in rows)
    answers = {name: [body.get(name) for body in given] for name in _scales([])}
    answers[CATEGORY] = [
        named_category(body, row.category) for row, body in zip(rows, given, strict=True)
    ]
    names = connection.scalars(sa.select(tables.item.c.category).distinct())
    scales = _scales([*names, *(name for name in answers[CATEGORY] if name is not None)])
    return {name: _ratings(cells, said, scales[name]) for name, said in answers.items()}


def agree(
    connection: sa.Connection,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    done: Callable[[str], None] = lambda question: None,
) -> list[Agreement]:
    """Compute agreement on each question, calling `done` after each. Slow for large reviews."""
    found = []
    for name, table in ratings(connection).items():
        level = Level.ORDINAL if name == MEANING else Level.NOMINAL
        coefficients = agreement(table, level, seed=seed, resamples=resamples)
        found.append(Agreement(question=name, level=level, coefficients=coefficients))
        done(name)
    return found


def as_json(found: Iterable[Agreement]) -> dict[str, Any]:
    """Return plain values; undefined ones are null."""
    return {
        one.question: {
            "level": one.level.value,
            "coefficients": {
                item.name.value: {
                    "value": _number(item.value),
                    "low": _number(item.low),
                    "high": _number(item.high),
                    "items": item.items,
                    "ratings": item.ratings,
                    "raters": item.raters,
                }
                for item in one.coefficients
            },
        }
        for one in found
    }


def _verdicts() -> sa.Select[Any]:
    decision, verdict, item = tables.decision, tables.verdict, tables.item
    return (
        sa.select(decision.c.pair_id, decision.c.account_id, verdict.c.body, item.c.category)
        .join(verdict, verdict.c.seq == decision.c.seq)
        .join(item, item.c.pair_id == decision.c.pair_id)
        .order_by(decision.c.seq)
    )


def _scales(categories: Iterable[str]) -> dict[str, list[Any]]:
    """Return the possible answers of each question, in order."""
    return {
        **{question.name: [option.value for option in question.options] for question in QUESTIONS},
        CATEGORY: sorted(set(categories)),
        MEANING: [1, 2, 3, 4, 5],
        "choice": [choice.value for choice in Choice],
    }


def _numbers(names: Iterable[str]) -> list[int]:
    """Number names by their first appearance."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names]


def _ratings(
    cells: tuple[list[int], list[int]], answers: Iterable[Any], scale: list[Any]
) -> Ratings:
    """Return the answers (None: none given) of items and raters by number."""
    place: dict[Any, float] = {value: number for number, value in enumerate(scale)}
    place[None] = math.nan
    table = np.full([max(numbers, default=-1) + 1 for numbers in cells], np.nan)
    table[cells] = [place[value] for value in answers]
    rated = ~np.isnan(table)
    return Ratings(
        table=table[rated.any(axis=1)][:, rated.any(axis=0)], categories=max(1, len(scale))
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
