"""Training pairs and items: rows in the frozen reference's tables, and difficulty levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ItemRows:
    """Items `[n]` of one side: captions, and the rows of captions and images in the reference."""

    captions: Sequence[str]
    text: Rows
    image: Rows

    def __len__(self) -> int:
        """Number of items."""
        return len(self.captions)

    def take(self, rows: Rows) -> ItemRows:
        """Some of the items."""
        captions = [self.captions[row] for row in rows.tolist()]
        return ItemRows(captions=captions, text=self.text[rows], image=self.image[rows])

    def and_those(self, others: ItemRows) -> ItemRows:
        """These items and others; an item may then occur twice."""
        return ItemRows(
            captions=[*self.captions, *others.captions],
            text=np.concatenate([self.text, others.text]),
            image=np.concatenate([self.image, others.image]),
        )


@dataclass(frozen=True, kw_only=True)
class TrainingPairs:
    """Pairs `[p]`: captions, and the rows of captions and images in the reference.

    The safe item of a pair is preserved; the unsafe item is redirected to the target. In mined
    pairs, both are the same item, or `training.preservation` changes the safe item by epoch. In
    pairs with a fixed partner, the safe item is the partner, and the target is the partner
    (Safe-CLIP) or a nearer item (SafeR-CLIP).
    """

    pair_ids: Sequence[str]
    unsafe_captions: Sequence[str]
    safe_captions: Sequence[str]
    target_captions: Sequence[str]
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
