"""Which candidates may be targets, and in what order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nsfwcaps.mining.candidates import Candidates
from nsfwcaps.mining.selection import Mask, Ranked, margins, rank
from nsfwcaps.mining.targets import TargetWeights
from nsfwcaps.vectors.index import Single

DENSITY_NEIGHBOURS = 10

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class TextKeys:
    """Keys that captions share which count as the same text: such a pair is never made."""

    unsafe: Keys
    """`[u]`"""
    safe: Keys
    """`[s]`"""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Ranked candidates of one block of unsafe captions, and what they were ranked from."""

    ranked: Ranked
    left: Mapping[str, Mask]
    """By the reason of a rejection, in order: unsafe captions `[q]` that have a candidate yet."""
    margins: Single
    """Score less that of the next candidate `[q, c]`; NaN where there is none."""
    density: Single
    """Mean cosine `[q]` to the nearest safe captions of other text."""

    def reason(self, row: int) -> str:
        """Why an unsafe caption has no pair: the first condition that left it nothing."""
        return next((name for name, mask in self.left.items() if not mask[row]), "targets_full")


class BlockRanker(Protocol):
    """Ranks candidates, a block of unsafe rows at a time; may be asked several times."""

    def blocks(self) -> Iterator[Block]:
        """Rank one block after the other."""
        ...


class Ranker:
    """Ranks candidates by cosine less penalty."""

    def __init__(
        self,
        candidates: Candidates,
        targets: TargetWeights,
        keys: TextKeys | None,
        *,
        min_similarity: float | None,
    ) -> None:
        self._candidates = candidates
        self._targets = targets
        self._keys = keys
        self._floor = min_similarity if min_similarity is not None else -np.inf

    def blocks(self) -> Iterator[Block]:
        """Rank one block after the other."""
        for first, found in self._candidates:
            rows, sims = found.rows, found.sims
            other_text = of_other_text(self._keys, first, rows)
            similar: Mask = other_text & (sims >= self._floor)
            reciprocal: Mask = similar & (sims >= self._targets.reach[rows])
            ranked = rank(first, rows, sims, self._targets.penalty[rows], reciprocal)
            yield Block(
                ranked=ranked,
                left={
                    "only_its_own_text": np.asarray(other_text.any(axis=1)),
                    "below_min_similarity": np.asarray(similar.any(axis=1)),
                    "not_reciprocal": np.asarray(reciprocal.any(axis=1)),
                },
                margins=margins(ranked),
                density=local_density(sims, other_text),
            )


def of_other_text(
    keys: TextKeys | None, first: int, rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Which candidates `[q, c]` are there (no −1) and of other text than their unsafe caption.

    Without keys, every text counts as another one.
    """
    there: Mask = rows >= 0
    if keys is None:
        return there
    other: Mask = there & (keys.safe[rows] != keys.unsafe[first : first + len(rows), None])
    return other


def local_density(sims: Single, other_text: Mask) -> Single:
    """Mean cosine `[q]` to the ten nearest safe captions of other text; sims `[q, c]` descend."""
    counted = other_text & (np.cumsum(other_text, axis=1) <= DENSITY_NEIGHBOURS)
    sums = np.where(counted, sims, 0).sum(axis=1, dtype=np.float64)
    mean: Single = (sums / np.maximum(counted.sum(axis=1), 1)).astype(np.float32)
    return mean
