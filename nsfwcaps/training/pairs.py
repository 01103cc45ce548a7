"""Pairs as training sees them: rows of the frozen reference's tables, and what level each is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TrainingPairs:
    """Pairs `[p]`: captions, and for captions and pictures their rows in the reference.

    The safe item of a pair is the one that is kept as it is, its target the one that the unsafe
    item is sent to. Mined pairs have one item for both; pairs that came with a fixed partner keep
    the partner, and may be sent to a nearer one (SafeR-CLIP) or to the partner (Safe-CLIP).
    """

    pair_ids: Sequence[str]
    unsafe_captions: Sequence[str]
    safe_captions: Sequence[str]
    target_ids: Sequence[str]
    levels: Sequence[str]
    unsafe_text: Rows
    safe_text: Rows
    unsafe_image: Rows
    safe_image: Rows
    target_text: Rows
    target_image: Rows

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.pair_ids)
