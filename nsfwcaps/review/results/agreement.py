"""Inter-annotator agreement by question, from independent verdicts only (none by leads)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nsfwcaps.metrics.agreement import (
    RESAMPLES,
    Coefficient,
    Level,
    Ratings,
    agreement,
)
from nsfwcaps.review import tables
from nsfwcaps.review.log.answers import QUESTIONS, RIGHT, Choice
from nsfwcaps.review.log.outcomes import Bodies

MEANING = "meaning"
CATEGORY = "category"

Triple = tuple[str, str, Any]
"""Pair, annotator, answer."""


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
    `right` is replaced by the data set's category name.
    """
    triples: dict[str, list[Triple]] = {name: [] for name in _scales([])}
    bodies = Bodies()
    for pair_id, account, text, category in connection.execute(_verdicts()):
        given = bodies[text]
        for name, rows in triples.items():
            if name in given:
                named = category if name == CATEGORY and given[name] == RIGHT else given[name]
                rows.append((pair_id, account, named))
    names = connection.scalars(sa.select(tables.item.c.category).distinct())
    scales = _scales([*names, *(row[2] for row in triples[CATEGORY])])
    return {name: _ratings(rows, scales[name]) for name, rows in triples.items()}


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


def _ratings(rows: Iterable[Triple], scale: list[Any]) -> Ratings:
    place: Mapping[Any, int] = {value: number for number, value in enumerate(scale)}
    triples = [(pair_id, account, place[value]) for pair_id, account, value in rows]
    return Ratings.from_triples(triples, categories=max(1, len(scale)))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
