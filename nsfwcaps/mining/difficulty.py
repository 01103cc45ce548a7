"""How hard a pair is, in [0, 1], and its level in the curriculum.

SafeR-CLIP trains from easy to hard pairs. A pair is easy if its captions are close (section 1 of
its method); the thresholds are not published. Here each signal is converted to its percentile
among all pairs, with 1 the hardest. The difficulty is the weighted mean of the percentiles: it
increases with every signal, is independent of the scale of the cosines, and averages 0.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsfwcaps.enums import DifficultyLevel

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Borders:
    """Largest difficulty of an easy pair, and of a medium one."""

    easy: float
    medium: float


@dataclass(frozen=True, kw_only=True)
class Grades:
    """The grades of p pairs."""

    difficulty: Values
    """`[p]`, from 0 (easy) to 1 (hard), rounded to single precision as in the data set."""
    levels: npt.NDArray[np.str_]
    """`[p]`, easy, medium or hard."""
    borders: Borders


def grade(
    signals: Mapping[str, Values],
    weights: Mapping[str, float],
    *,
    easy_share: float,
    hard_share: float,
) -> Grades:
    """Grade pairs by their signals `[p]`: `similarity`, `margin` and `density`.

    A low similarity, a small margin and a high density are hard. Signals without a weight are
    ignored.
    """
    hard = {
        name: hardness(values, hard_is_high=name == "density") for name, values in signals.items()
    }
    difficulties = difficulty(hard, weights).astype(np.float32).astype(np.float64)
    at = borders(difficulties, easy_share=easy_share, hard_share=hard_share)
    return Grades(difficulty=difficulties, levels=levels(difficulties, at), borders=at)


def hardness(values: Values, *, hard_is_high: bool) -> Values:
    """Percentile `[p]` in [0, 1] of each value, 1 = hardest; equal values share their mean rank.

    A missing value (NaN) counts as 0.5.

    >>> hardness(np.array([0.9, 0.5, np.nan, 0.7]), hard_is_high=False).tolist()
    [0.0, 1.0, 0.5, 0.5]
    """
    from scipy.stats import rankdata

    known = np.isfinite(values)
    out = np.full(len(values), 0.5)
    count = int(known.sum())
    if count > 1:
        ranks = rankdata(values[known] if hard_is_high else -values[known])
        out[known] = (ranks - 1) / (count - 1)
    return out


def difficulty(hardnesses: Mapping[str, Values], weights: Mapping[str, float]) -> Values:
    """Weighted mean `[p]` of the hardness of every signal."""
    total = sum(weights.values())
    size = len(next(iter(hardnesses.values())))
    mean = sum((hardnesses[name] * (w / total) for name, w in weights.items()), np.zeros(size))
    return np.clip(mean, 0.0, 1.0)


def borders(difficulties: Values, *, easy_share: float, hard_share: float) -> Borders:
    """Borders that cut off the easiest and the hardest share."""
    low, high = np.quantile(difficulties, [easy_share, 1 - hard_share])
    return Borders(easy=float(low), medium=float(high))


def levels(difficulties: Values, at: Borders) -> npt.NDArray[np.str_]:
    """Level `[p]` of every pair; a pair on a border gets the easier level."""
    return np.select(
        [difficulties <= at.easy, difficulties <= at.medium],
        [DifficultyLevel.EASY.value, DifficultyLevel.MEDIUM.value],
        DifficultyLevel.HARD.value,
    )
