"""Penalty and reach of every target, from a reverse search in the unsafe rows.

targets among the candidates ─ blocks ─ search all unsafe rows ─▶ penalty, reach [t]

The unsafe rows stay on the device for all blocks of targets. Unsafe rows that do not fit it, tens
of millions of them, are uploaded part by part for each block.
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
from nsfwcaps.vectors.index import Rows, Single
from nsfwcaps.vectors.nearest import HeldTable
from nsfwcaps.vectors.source import Half
from nsfwcaps.work import Work

_BLOCK_ROWS = 4096

Weights = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Penalty and reach `[t]` of a block of targets."""


@dataclass(frozen=True, kw_only=True)
class TargetWeights:
    """Penalty and reach of every safe row `[s]`; zero and −∞ for rows that are not weighed."""

    penalty: Single
    reach: Single
    """Cosine of its `reciprocal`-nearest unsafe caption; pairs below it are not reciprocal."""


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
        """Whether the reverse search is needed."""
        return self.rank is not Rank.COSINE or self.reciprocal is not None

    @property
    def depth(self) -> int:
        """Nearest unsafe rows of each target that are needed."""
        return max(self.csls_k if self.rank is Rank.CSLS else 0, self.reciprocal or 0)

    def weigh(self, unsafe: HeldTable, targets: Half, *, lane: int = 0) -> Weights:
        """Penalty and reach `[t]` of safe rows `[t, d]`, computed on one lane."""
        penalty: npt.NDArray[Any] = np.zeros(len(targets))
        reach: npt.NDArray[Any] = np.full(len(targets), -np.inf)
        if self.depth:
            back = unsafe.nearest(targets, self.depth, exact=True, lane=lane)
            if self.reciprocal is not None:
                reach = back.sims[:, min(self.reciprocal, back.sims.shape[1]) - 1]
            if self.rank is Rank.CSLS:
                penalty = csls_penalty(back.sims[:, : self.csls_k])
        if self.rank is Rank.INVERTED_SOFTMAX:
            tiles = unsafe.tiles(lane)
            with unsafe.split.timed(Work.COMPUTE, unsafe.lanes):
                length = unsafe.table.squared_length
                penalty = inverted_softmax_penalty(targets, tiles, self.beta, length)
        return penalty, reach


def unweighed(safe_rows: int) -> TargetWeights:
    """Weights without penalty or reciprocity limit."""
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


def target_blocks_of(rows: int) -> int:
    """Return the number of blocks of so many targets."""
    return -(-rows // _BLOCK_ROWS)


def target_blocks(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Yield (position of the first, rows) of each block of targets.

    The size is fixed, not set by memory: it affects the last bits of an inverted softmax.
    """
    for start in range(0, len(rows), _BLOCK_ROWS):
        yield start, rows[start : start + _BLOCK_ROWS]
