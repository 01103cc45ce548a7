"""mine: keys that identify duplicate texts."""

from __future__ import annotations

import numpy as np

from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.enums import Duplicates
from nsfwcaps.mining.ranking import Keys
from nsfwcaps.vectors.store import VectorTable


def text_keys(table: VectorTable, skip: Duplicates) -> Keys:
    """Return a key `[n]` per caption; captions with equal keys count as the same text."""
    rows = np.arange(table.rows)
    if skip is Duplicates.NEAR_IDENTICAL:
        return np.asarray(table.column("fold_key", rows)).astype(np.uint64)
    # The first half of an id is a hash of the caption only.
    return np.fromiter(
        (int(item[:TEXT_DIGITS], 16) for item in table.column("id", rows).to_pylist()), np.uint64
    )
