"""Looking back from safe rows at the unsafe ones: a penalty and a reach for every target.

targets among the candidates ─ blocks ─ look back at all unsafe rows ─▶ penalty, reach [t]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.enums import Rank
from nsfwcaps.mining.candidates import Candidates
from nsfwcaps.mining.hubness import csls_penalty, inverted_softmax_penalty
from nsfwcaps.mining.space import Space
from nsfwcaps.vectors.index import Rows, Single
from nsfwcaps.vectors.nearest import nearest

_BLOCK_ROWS = 16_384

Weights = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Penalty and reach `[t]` of a block of targets."""


@dataclass(frozen=True, kw_only=True)
class TargetWeights:
    """What is known of every safe row `[s]` as a target; zero and −∞ where nothing is needed."""

    penalty: Single
    reach: Single
    """Cosine of its `reciprocal`-nearest unsafe caption: who is further away does not count."""


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """How targets are weighed."""

    rank: Rank
    csls_k: int
    """Neighbours in the CSLS penalty."""
    beta: float
    """Inverse temperature of the inverted softmax."""
    reciprocal: int | None

    @property
    def looks_back(self) -> bool:
        """Whether there is anything to weigh."""
        return self.rank is not Rank.COSINE or self.reciprocal is not None

    def weigh(self, space: Space, rows: Rows) -> Weights:
        """Penalty and reach `[t]` of some safe rows of ascending numbers `[t]`."""
        targets = space.safe.take(rows)
        penalty: npt.NDArray[Any] = np.zeros(len(rows))
        reach: npt.NDArray[Any] = np.full(len(rows), -np.inf)
        depth = max(self.csls_k if self.rank is Rank.CSLS else 0, self.reciprocal or 0)
        if depth:
            back = nearest(
                targets,
                space.unsafe,
                depth,
                search=space.device,
                block_rows=space.blocks(depth).rows,
                exact=True,
            )
            if self.reciprocal is not None:
                reach = back.sims[:, min(self.reciprocal, back.sims.shape[1]) - 1]
            if self.rank is Rank.CSLS:
                penalty = csls_penalty(back.sims[:, : self.csls_k])
        if self.rank is Rank.INVERTED_SOFTMAX:
            penalty = inverted_softmax_penalty(
                targets, space.unsafe, self.beta, device=space.device.device
            )
        return penalty, reach


def unweighed(safe_rows: int) -> TargetWeights:
    """Targets without a penalty, and with no limit on their reach."""
    return TargetWeights(
        penalty=np.zeros(safe_rows, dtype=np.float32),
        reach=np.full(safe_rows, -np.inf, dtype=np.float32),
    )


def targets_among(candidates: Candidates, safe_rows: int) -> Rows:
    """Safe rows `[t]`, ascending, that are a candidate of any unsafe row."""
    wanted = np.zeros(safe_rows, dtype=bool)
    for _, found in candidates:
        wanted[found.rows[found.rows >= 0]] = True
    return np.flatnonzero(wanted)


def target_blocks(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Yield (position of the first, rows) of the blocks in which targets are weighed.

    Not by memory: the last bits of an inverted softmax depend on the size of a block.
    """
    for start in range(0, len(rows), _BLOCK_ROWS):
        yield start, rows[start : start + _BLOCK_ROWS]
