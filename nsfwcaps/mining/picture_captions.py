"""The captions of pictures that are targets: a pair gets the one nearest in text."""

from __future__ import annotations

import numpy as np

from nsfwcaps.mining.ranking import TextKeys
from nsfwcaps.vectors.exact import exact_sims
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.source import VectorSource

_AT_ONCE = 2**20
"""Captions compared at once."""


class PictureCaptions:
    """Safe captions by picture.

    Args:
        unsafe: Unsafe captions `[u, d]`.
        safe: Safe captions `[s, d]`.
        keys: Text keys of both, None if every text counts as another.
        picture_of: Row `[s]` of each safe caption's picture, -1 without one.
    """

    def __init__(
        self, unsafe: VectorSource, safe: VectorSource, keys: TextKeys | None, picture_of: Rows
    ) -> None:
        self._unsafe, self._safe, self._keys = unsafe, safe, keys
        order = np.argsort(picture_of, kind="stable")
        self._captions = order[np.searchsorted(picture_of[order], 0) :]
        """Captions with a picture, by picture, then row."""
        self.pictures, self._starts, self._counts = np.unique(
            picture_of[self._captions], return_index=True, return_counts=True
        )
        """`[t]`, rows of the pictures that are targets."""

    def keys_of(self, queries: Rows) -> TextKeys | None:
        """Text keys of unsafe captions `[q]` and of the targets `[t]`."""
        if self._keys is None:
            return None
        keys = self._keys.safe[self._captions]
        of_first = keys[self._starts]
        differs = keys != np.repeat(of_first, self._counts)
        several = np.logical_or.reduceat(differs, self._starts)
        return TextKeys(unsafe=self._keys.unsafe[queries], safe=of_first, several=several)

    def nearest_in_text(self, unsafe: Rows, targets: Rows) -> Rows:
        """Safe caption `[m]` for each unsafe caption `[m]` and the picture `[m]` that it got."""
        out = np.empty(len(targets), dtype=np.int64)
        counts = self._counts[targets]
        ends = np.cumsum(counts)
        start = 0
        while start < len(targets):
            full = np.searchsorted(ends, ends[start] - counts[start] + _AT_ONCE, side="right")
            part = slice(start, max(start + 1, int(full)))
            out[part] = self._nearest(unsafe[part], targets[part])
            start = part.stop
        return out

    def _nearest(self, unsafe: Rows, targets: Rows) -> Rows:
        counts = self._counts[targets]
        pair = np.repeat(np.arange(len(targets)), counts)
        first = np.cumsum(counts) - counts
        captions = self._captions[np.arange(len(pair)) + (self._starts[targets] - first)[pair]]
        distinct, place = np.unique(unsafe, return_inverse=True)
        sims = exact_sims(self._unsafe.take(distinct), self._safe, place[pair], captions)
        if self._keys is not None:
            sims[self._keys.safe[captions] == self._keys.unsafe[unsafe[pair]]] = -np.inf
        order = np.lexsort((captions, -sims, pair))
        nearest: Rows = captions[order[first]]
        return nearest
