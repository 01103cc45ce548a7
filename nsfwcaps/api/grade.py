"""Grading from Python: the difficulty of mined pairs."""

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
    """Difficulty and level of mined pairs: u unsafe rows with k counterparts each."""

    difficulty: npt.NDArray[np.float32]
    """Difficulty `[u, k]` from 0 (easy) to 1 (hard); NaN if there is no pair."""
    levels: npt.NDArray[np.str_]
    """`easy`, `medium` or `hard` `[u, k]`; empty if there is no pair."""
    borders: Borders
    """Largest difficulty of an easy pair, and of a medium one."""

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
    """Grade mined pairs from easy to hard, with the code of the command `nsfwcaps grade`.

    Each signal is converted to its percentile among all pairs, with 1 the hardest. The difficulty
    is the weighted mean of the percentiles. SafeR-CLIP (arXiv 2511.16743, section 1 of its method)
    trains from easy to hard pairs but publishes no thresholds; the default shares are ours.

    Args:
        found: Result of `mine`.
        similarity_weight: Weight of the cosine; a low one is hard.
        margin_weight: Weight of the margin to the next candidate; a small one is hard.
        density_weight: Weight of the density of safe neighbours; a high one is hard.
        easy_share: Share of pairs graded easy.
        hard_share: Share of pairs graded hard.

    Returns:
        Difficulty and level `[u, k]`, and the borders between the levels.

    Raises:
        ConfigError: all weights are zero, or the shares add up to more than one.
        InputError: there are no pairs.

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
        raise InputError("grade: no pairs to grade; found.reasons gives the reason for each row")
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
