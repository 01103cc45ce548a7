"""Pairs as training sees them: rows of the frozen reference's tables, and what stage each is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TrainingPairs:
    """Pairs `[p]`: captions, and for captions and pictures their rows in the reference."""

    pair_ids: Sequence[str]
    unsafe_captions: Sequence[str]
    safe_captions: Sequence[str]
    safe_ids: Sequence[str]
    stages: Sequence[str]
    unsafe_text: Rows
    safe_text: Rows
    unsafe_image: Rows
    safe_image: Rows

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.pair_ids)
