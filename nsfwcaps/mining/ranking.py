"""Filtering and ranking of candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nsfwcaps.mining.candidates import Candidates
from nsfwcaps.mining.selection import Mask, Ranked, rank
from nsfwcaps.mining.targets import TargetWeights
from nsfwcaps.vectors.index import Rows, Single
from nsfwcaps.vectors.unit import as_cosines

DENSITY_NEIGHBOURS = 10

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class TextKeys:
    """Equal keys mark captions that count as the same text; these are never paired."""

    unsafe: Keys
    """`[u]`"""
    safe: Keys
    """`[s]`"""
    several: Mask | None = None
    """`[s]`, targets that have further texts, so that one is always another; None: no target."""


@dataclass(frozen=True, kw_only=True)
class OwnPictures:
    """Rows of the pictures compared; an unsafe caption is never paired with its own picture."""

    unsafe: Rows
    """`[q]`"""
    safe: Rows
    """`[t]`"""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Ranked candidates of one block of unsafe captions, with the signals for grading."""

    ranked: Ranked
    left: Mapping[str, Mask]
    """By rejection reason, in filter order: unsafe captions `[q]` with candidates left."""
    beside: Ranked
    """Candidates `[q, c]` that margins are measured to: of `ranked`, those after a target."""
    density: Single
    """Mean cosine `[q]` to the nearest safe captions of another text and picture."""


class BlockRanker(Protocol):
    """Ranks candidates by block of unsafe rows; can be iterated more than once."""

    def blocks(self) -> Iterator[Block]:
        """Yield the ranked blocks in order."""
        ...


class Ranker:
    """Ranks candidates by cosine minus penalty; those below the `floor` are left out."""

    def __init__(
        self,
        candidates: Candidates,
        targets: TargetWeights,
        keys: TextKeys | None,
        *,
        pictures: OwnPictures | None = None,
        floor: float | None,
    ) -> None:
        self._candidates = candidates
        self._targets = targets
        self._keys = keys
        self._pictures = pictures
        self._floor = -np.inf if floor is None else floor

    def blocks(self) -> Iterator[Block]:
        """Yield the ranked blocks in order."""
        for first, found in self._candidates:
            rows, sims = found.rows, found.sims
            other_text = of_other_text(self._keys, first, rows)
            other = other_text & of_other_picture(self._pictures, first, rows)
            similar: Mask = other & at_least(sims, self._floor)
            reciprocal: Mask = similar & (sims >= self._targets.reach[rows])
            ranked = rank(first, rows, sims, self._targets.penalty[rows], reciprocal)
            yield Block(
                ranked=ranked,
                left={
                    "only_its_own_text": np.asarray(other_text.any(axis=1)),
                    "only_its_own_picture": np.asarray(other.any(axis=1)),
                    "below_min_candidate_similarity": np.asarray(similar.any(axis=1)),
                    "not_reciprocal": np.asarray(reciprocal.any(axis=1)),
                },
                beside=ranked,
                density=local_density(sims, other),
            )


def at_least(sims: Single, floor: float) -> Mask:
    """Mask of cosines, clipped as they are written, that reach a floor in single precision."""
    reached: Mask = as_cosines(sims) >= np.float32(floor)
    return reached


def of_other_text(
    keys: TextKeys | None, first: int, rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Mask `[q, c]` of candidates that exist (not −1) and differ in text from the unsafe caption.

    Without keys, all texts count as different.
    """
    there: Mask = rows >= 0
    if keys is None:
        return there
    other: Mask = there & (keys.safe[rows] != keys.unsafe[first : first + len(rows), None])
    if keys.several is not None:
        other |= there & keys.several[rows]
    return other


def of_other_picture(pictures: OwnPictures | None, first: int, rows: Rows) -> Mask:
    """Mask `[q, c]` of candidates that have another picture than the unsafe caption.

    All have, where pictures are not compared.
    """
    if pictures is None:
        return np.ones(rows.shape, dtype=np.bool_)
    own = pictures.unsafe[first : first + len(rows), None]
    other: Mask = pictures.safe[rows] != own
    return other


def local_density(sims: Single, others: Mask) -> Single:
    """Mean cosine `[q]` to the ten nearest of the `others` `[q, c]`; sims are sorted."""
    counted = others & (np.cumsum(others, axis=1) <= DENSITY_NEIGHBOURS)
    sums = np.where(counted, sims, 0).sum(axis=1, dtype=np.float64)
    mean: Single = (sums / np.maximum(counted.sum(axis=1), 1)).astype(np.float32)
    return mean
