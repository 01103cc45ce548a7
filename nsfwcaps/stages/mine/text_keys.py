"""mine: keys that identify duplicate texts, and captions of one picture."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.enums import Duplicates
from nsfwcaps.mining.ranking import Keys
from nsfwcaps.vectors.store import VectorTable

_ROWS = 65_536
_DIGITS = 16
"""Hexadecimal digits of a picture's hash in its key."""


def text_keys(table: VectorTable, skip: Duplicates) -> Keys:
    """Return a key `[n]` per caption; captions with equal keys count as the same text."""
    keys = np.empty(table.rows, dtype=np.uint64)
    for start in range(0, table.rows, _ROWS):
        rows = np.arange(start, min(start + _ROWS, table.rows))
        if skip is Duplicates.NEAR_IDENTICAL:
            keys[rows] = np.asarray(table.column("fold_key", rows))
        else:
            # The first half of an id is a hash of the caption only.
            ids = table.column("id", rows).to_pylist()
            keys[rows] = [int(item[:TEXT_DIGITS], 16) for item in ids]
    return keys


def picture_keys(table: VectorTable) -> Keys | None:
    """Return a key `[n]` per caption, equal for one picture, 0 without; None if there is none."""
    keys = np.zeros(table.rows, dtype=np.uint64)
    for start in range(0, table.rows, _ROWS):
        rows = np.arange(start, min(start + _ROWS, table.rows))
        hashes = table.column("image_sha256", rows)
        if hashes.null_count < len(hashes):
            digits = pc.utf8_slice_codeunits(pc.fill_null(hashes, "0"), 0, _DIGITS)
            keys[rows] = [int(item, 16) for item in digits.to_pylist()]
    return keys if keys.any() else None
