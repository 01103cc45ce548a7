"""mine, in the middle: which candidates may be targets, and in what order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsfwcaps.enums import Duplicates
from nsfwcaps.mining.selection import Mask, Ranked, margins, rank
from nsfwcaps.stages.mine.search import Candidates, Search, Targets
from nsfwcaps.vectors.index import Single
from nsfwcaps.vectors.store import VectorTable

DENSITY_NEIGHBOURS = 10


@dataclass(frozen=True, kw_only=True)
class Block:
    """Ranked candidates of one block of unsafe captions, and what they were ranked from."""

    ranked: Ranked
    left: Mapping[str, Mask]
    """By the reason of a rejection, in order: unsafe captions `[q]` that have a candidate yet."""
    margins: Single
    """Score less that of the next candidate `[q, c]`; NaN where there is none."""
    density: Single

    def reason(self, row: int) -> str:
        """Why an unsafe caption has no pair: the first condition that left it nothing."""
        return next((name for name, mask in self.left.items() if not mask[row]), "targets_full")


class Ranker:
    """Reads candidate shards and decides which candidates may be targets, in what order."""

    def __init__(self, search: Search, targets: Targets, candidates: Candidates) -> None:
        self._settings = search.settings
        self._targets = targets
        self._candidates = candidates
        self._safe_keys = text_keys(search.safe, search.settings.skip)
        self._unsafe_keys = text_keys(search.unsafe, search.settings.skip)

    def ranked(self) -> Iterator[Ranked]:
        """Ranked candidates alone."""
        return (block.ranked for block in self.blocks())

    def blocks(self) -> Iterator[Block]:
        """Rank one block after the other."""
        floor = self._settings.min_similarity
        for first, found in self._candidates:
            rows, sims = found.rows, found.sims
            own = self._unsafe_keys[first : first + len(rows), None]
            other_text: Mask = (rows >= 0) & (self._safe_keys[rows] != own)
            similar: Mask = other_text & (sims >= (floor if floor is not None else -np.inf))
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


def text_keys(table: VectorTable, skip: Duplicates) -> npt.NDArray[np.uint64]:
    """Key `[n]` that captions share which count as the same text."""
    rows = np.arange(table.rows)
    if skip is Duplicates.NEAR_IDENTICAL:
        return np.asarray(table.column("fold_key", rows)).astype(np.uint64)
    # The first half of an id is a hash of the caption alone.
    return np.fromiter(
        (int(item[:16], 16) for item in table.column("id", rows).to_pylist()), np.uint64
    )


def local_density(sims: Single, other_text: Mask) -> Single:
    """Mean cosine `[q]` to the ten nearest safe captions of other text; sims `[q, c]` descend."""
    counted = other_text & (np.cumsum(other_text, axis=1) <= DENSITY_NEIGHBOURS)
    sums = np.where(counted, sims, 0).sum(axis=1, dtype=np.float64)
    mean: Single = (sums / np.maximum(counted.sum(axis=1), 1)).astype(np.float32)
    return mean
