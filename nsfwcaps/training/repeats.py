"""Equal items in a batch, which InfoNCE would take for negatives of each other.

Items are equal here if they share their caption's text or their picture: a caption may have several
ids, and a picture several captions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from nsfwcaps.captions.splits import groups

Rows = npt.NDArray[np.int64]

_TRIED = 64
"""Batches to look for a place in, for a row that repeats a key in its own."""


def item_keys(captions: Sequence[str], images: Sequence[int] | Rows) -> Rows:
    """Key `[n]` of every item; those linked by equal captions or images have the same."""
    if not len(captions):
        return np.zeros(0, dtype=np.int64)
    nodes = numbers([*(("text", caption) for caption in captions), *map(int, images)])
    text, image = nodes[: len(captions)], nodes[len(captions) :]
    return groups(int(nodes.max()) + 1, text, image)[text]


def numbers(keys: Sequence[Hashable]) -> Rows:
    """Number `[n]` of each key, in order of first occurrence; None never equals another None."""
    number_of: dict[Hashable, int] = {}
    named = ((row, None) if key is None else key for row, key in enumerate(keys))
    return np.array([number_of.setdefault(key, len(number_of)) for key in named], dtype=np.int64)


def spread(rows: Rows, keys: Rows, batch_size: int) -> Rows:
    """Reorder rows `[n]` so that batches repeat their keys `[n, c]` as rarely as possible.

    Rows are grouped by the first key, in order of first occurrence, and dealt like cards: one to
    each batch in turn. If all keys are distinct, a random order stays random. Rows that still
    repeat another key change places with rows of other batches, where neither repeats any key.
    """
    order = _dealt(keys[:, 0], batch_size)
    if keys.shape[1] > 1:
        order = _exchanged(order, keys, batch_size)
    return rows[order]


def _dealt(keys: Rows, batch_size: int) -> Rows:
    _, first, key = np.unique(keys, return_index=True, return_inverse=True)
    grouped = np.argsort(first[key], kind="stable")
    batch, place = np.divmod(np.arange(len(keys)), batch_size)
    dealt = np.empty_like(grouped)
    dealt[np.lexsort((batch, place))] = grouped
    return dealt


def _exchanged(order: Rows, keys: Rows, batch_size: int) -> Rows:
    """Exchange rows that repeat a key, unless it has more rows than there are batches."""
    batches = [
        order[start : start + batch_size].tolist() for start in range(0, len(order), batch_size)
    ]
    of_row = [[*enumerate(row)] for row in keys.tolist()]  # (column, key) of every row
    held = [Counter(key for row in batch for key in of_row[row]) for batch in batches]
    total = Counter(key for keys_of in of_row for key in keys_of)

    def fits(row: int, batch: int, instead: int | None = None) -> bool:
        """Whether a row has no key of a batch, without the row that it replaces."""
        away = () if instead is None else of_row[instead]
        return all(held[batch][key] == (key in away) for key in of_row[row])

    def exchange(batch: int, place: int) -> None:
        row = batches[batch][place]
        for step in range(1, min(len(batches), _TRIED + 1)):
            other = (batch + step) % len(batches)
            if not fits(row, other):
                continue
            for there, candidate in enumerate(batches[other]):
                if fits(candidate, batch, row):
                    batches[batch][place], batches[other][there] = candidate, row
                    held[batch].subtract(of_row[row])
                    held[batch].update(of_row[candidate])
                    held[other].subtract(of_row[candidate])
                    held[other].update(of_row[row])
                    return

    for batch, members in enumerate(batches):
        for place, row in enumerate(members):
            if any(held[batch][key] > 1 and total[key] <= len(batches) for key in of_row[row]):
                exchange(batch, place)
    return np.array([row for batch in batches for row in batch], dtype=np.int64)
