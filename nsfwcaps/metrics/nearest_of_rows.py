"""The nearest so many columns of each row, kept while similarities arrive in any order."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.answer_sets import Rows
from nsfwcaps.metrics.similarities import Vectors

Keys = npt.NDArray[np.int64]
"""A similarity in the upper half and a column in the lower one.

The greater key has the greater similarity, or of equals the lower column.
"""

NO_KEY = np.iinfo(np.int64).min
"""Below all keys of numbers."""

_COLUMN = 2**32 - 1
_MAGNITUDE = 2**31 - 1


def keys_of(sims: Vectors, columns: Rows) -> Keys:
    """Return the keys of similarities `[m]`, which are numbers, and their columns."""
    return (_reversed_below_zero(sims.view(np.int32)).astype(np.int64) << 32) | (_COLUMN - columns)


def _reversed_below_zero(bits: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Turn the bits of numbers into integers of the same order, and back."""
    return bits ^ ((bits >> 31) & np.int32(_MAGNITUDE))


class NearestOfRows:
    """At most `most` columns of each row; several threads may add.

    The memory is `rows · most` keys, however many are added.
    """

    def __init__(self, rows: int, most: int) -> None:
        """Begin with no columns."""
        self._keys: Keys = np.full((rows, most), NO_KEY)
        self._last: Keys = np.full(rows, NO_KEY)
        self._lock = threading.Lock()

    def floors(self, rows: slice, first: int, least: np.float32) -> Vectors:
        """Return what a similarity of each row `[r]` must reach, in columns from `first` on.

        That is `least`, or for a row that is full what still gets in.
        """
        with self._lock:
            last = self._last[rows].copy()
        sims = _reversed_below_zero((last >> 32).astype(np.int32)).view(np.float32)
        above = np.nextafter(sims, np.float32(np.inf))
        enters = np.where(_COLUMN - (last & _COLUMN) < first, above, sims)
        floors: Vectors = np.where(last == NO_KEY, least, np.fmax(enters, least))
        return floors

    def add(self, rows: Rows, columns: Rows, sims: Vectors) -> None:
        """Add columns of rows `[m]`, ordered by row."""
        if not len(rows):
            return
        start = np.flatnonzero(np.diff(rows, prepend=-1))
        own, count = rows[start], np.diff(start, append=len(rows))
        place = np.arange(len(rows)) - np.repeat(start, count)
        most, more = self._keys.shape[1], int(count.max())
        both = np.full((len(own), most + more), NO_KEY)
        both[np.repeat(np.arange(len(own)), count), most + place] = keys_of(sims, columns)
        with self._lock:
            both[:, :most] = self._keys[own]
            both.partition(more, axis=1)
            self._keys[own] = both[:, more:]
            self._last[own] = both[:, more]

    def pairs(self) -> tuple[Rows, Rows]:
        """Return rows and columns `[m]`, ordered by row and then from the nearest on."""
        keys = np.sort(self._keys, axis=1)[:, ::-1]
        row, place = np.nonzero(keys != NO_KEY)
        return row, _COLUMN - (keys[row, place] & _COLUMN)
