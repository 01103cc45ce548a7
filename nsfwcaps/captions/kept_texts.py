"""How many captions of a pool are still there when it is read again: by ids, without their text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from nsfwcaps.captions.normalize import TEXT_DIGITS

TextKeys = npt.NDArray[np.uint64]


def text_keys(ids: Iterable[str]) -> TextKeys:
    """Return the text half of caption ids `[n]` as numbers `[n]`; images do not count.

    >>> text_keys(["00000000000000ff0123456789abcdef"])
    array([255], dtype=uint64)
    """
    return np.fromiter((int(item[:TEXT_DIGITS], 16) for item in ids), np.uint64)


class KeptTexts:
    """The distinct texts `[n]` of earlier captions, and which of them were found again."""

    def __init__(self, keys: TextKeys, groups: Sequence[str] | None = None) -> None:
        self._keys, first = np.unique(keys, return_index=True)
        self._groups = np.array(groups, dtype=object)[first] if groups is not None else None
        self._found = np.zeros(len(self._keys), dtype=bool)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, keys: TextKeys) -> None:
        """Mark the texts of captions `[m]` as found."""
        if len(self._keys) and len(keys):
            at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            self._found[at[self._keys[at] == keys]] = True

    def find_group(self, group: str) -> None:
        """Mark all texts of a group as found."""
        if self._groups is not None:
            self._found |= self._groups == group

    def kept(self, groups: Iterable[str] | None = None) -> tuple[int, int]:
        """Return how many texts were found, and of how many; of all, or of some groups."""
        if groups is None or self._groups is None:
            return int(self._found.sum()), len(self._keys)
        chosen = np.isin(self._groups, [*groups])
        return int(self._found[chosen].sum()), int(chosen.sum())
