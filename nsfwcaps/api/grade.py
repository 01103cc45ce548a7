"""Grading from Python: how hard the pairs are that mining found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsfwcaps import config
from nsfwcaps.api.mined import Mined
from nsfwcaps.errors import InputError
from nsfwcaps.mining import difficulty as grading
from nsfwcaps.mining.difficulty import Borders
from nsfwcaps.stages.grade.settings import GradeSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class Graded:
    """Difficulty and level of the pairs of u unsafe rows."""

    difficulty: npt.NDArray[np.float32]
    """0 easy to 1 hard `[u, k]`; NaN where there is no pair."""
    levels: npt.NDArray[np.str_]
    """`easy`, `medium` or `hard` `[u, k]`; empty where there is no pair."""
    borders: Borders
    """Difficulties up to which a pair is easy, and up to which it is medium."""

    def __repr__(self) -> str:
        names, counts = np.unique(self.levels[self.levels != ""], return_counts=True)
        found = zip(names.tolist(), counts.tolist(), strict=True)
        return f"Graded({', '.join(f'{count:,} {name}' for name, count in found)})"


def grade(
    found: Mined,
    *,
    similarity_weight: float = 1.0,
    margin_weight: float = 1.0,
    density_weight: float = 0.0,
    easy_share: float = 1 / 3,
    hard_share: float = 1 / 3,
) -> Graded:
    """Grade pairs from easy to hard, by the same code as the command `nsfwcaps grade`.

    Each signal becomes its percentile among all pairs, 1 = hard; the difficulty is their weighted
    mean. SafeR-CLIP (arXiv 2511.16743, section 1 of its method) trains from easy pairs to hard ones
    and publishes no thresholds; these shares are ours.

    Args:
        found: What `mine` gave.
        similarity_weight: Weight of a low cosine.
        margin_weight: Weight of a small margin to the next candidate.
        density_weight: Weight of a dense safe neighbourhood.
        easy_share: Share of the pairs that are easy.
        hard_share: Share of the pairs that are hard.

    Returns:
        Difficulty and level `[u, k]`.

    Raises:
        ConfigError: weights that are all zero, or shares above one together.
        InputError: there is no pair.

    >>> import nsfwcaps
    >>> found = nsfwcaps.mine([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], [[1.0, 0.0]], rank="cosine")
    >>> graded = nsfwcaps.grade(found, margin_weight=0)
    >>> graded.levels.tolist(), graded.difficulty.tolist()
    ([['easy'], ['medium'], ['hard']], [[0.0], [0.5], [1.0]])
    """
    values = {
        "similarity_weight": similarity_weight,
        "margin_weight": margin_weight,
        "density_weight": density_weight,
        "easy_share": easy_share,
        "hard_share": hard_share,
    }
    settings = config.parse(GradeSettings, values, where="grade")
    there = found.rows >= 0
    if not there.any():
        raise InputError("grade: there is no pair to grade; found.reasons says why")
    density = np.broadcast_to(found.density[:, None], there.shape)
    signals = {"similarity": found.cosines, "margin": found.margins, "density": density}
    graded = grading.grade(
        {name: values[there].astype(np.float64) for name, values in signals.items()},
        settings.weights,
        easy_share=settings.easy_share,
        hard_share=settings.hard_share,
    )
    difficulty = np.full(there.shape, np.nan, dtype=np.float32)
    difficulty[there] = graded.difficulty
    levels = np.full(there.shape, "", dtype=graded.levels.dtype)
    levels[there] = graded.levels
    return Graded(difficulty=difficulty, levels=levels, borders=graded.borders)
