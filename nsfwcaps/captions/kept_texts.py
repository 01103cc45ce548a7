"""How many captions of a pool are still there when it is read again: by ids, without their text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.captions.hex_keys import DIGITS, hex_keys
from nsfwcaps.captions.normalize import TEXT_DIGITS

assert DIGITS == TEXT_DIGITS, "the text half of an id is one number"

TextKeys = npt.NDArray[np.uint64]

GROUPS = pa.dictionary(pa.int32(), pa.string())


def text_keys(ids: pa.Array | Iterable[str]) -> TextKeys:
    """Return the text half of caption ids `[n]` as numbers `[n]`; images do not count.

    >>> text_keys(["00000000000000ff0123456789abcdef"])
    array([255], dtype=uint64)

    Raises:
        ValueError: an id has other signs than hexadecimal digits.
    """
    if isinstance(ids, pa.Array):
        return hex_keys(ids)
    return np.fromiter((int(item[:TEXT_DIGITS], 16) for item in ids), np.uint64)


class KeptTexts:
    """The distinct texts `[n]` of earlier captions, and which of them were found again."""

    def __init__(
        self, keys: TextKeys, groups: pa.ChunkedArray | Sequence[str] | None = None
    ) -> None:
        """Take keys `[m]` and the name of each one's group, as texts or encoded as `GROUPS`."""
        self._keys, first = np.unique(keys, return_index=True)
        self._names: list[str] = []
        self._groups: npt.NDArray[np.int32] | None = None
        """Place `[n]` among the names."""
        if groups is not None:
            coded = _encoded(groups).unify_dictionaries().combine_chunks()
            self._names = coded.dictionary.to_pylist()
            self._groups = pc.fill_null(coded.indices, -1).to_numpy()[first]
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
        self._found |= self._within([group])

    def kept(self, groups: Iterable[str] | None = None) -> tuple[int, int]:
        """Return how many texts were found, and of how many; of all, or of some groups."""
        if groups is None or self._groups is None:
            return int(self._found.sum()), len(self._keys)
        chosen = self._within(groups)
        return int(self._found[chosen].sum()), int(chosen.sum())

    def _within(self, groups: Iterable[str]) -> npt.NDArray[np.bool_]:
        """Return a mask `[n]` of the texts of some groups."""
        if self._groups is None:
            return np.zeros(len(self._keys), np.bool_)
        wanted = {*groups}
        places = [place for place, name in enumerate(self._names) if name in wanted]
        mask: npt.NDArray[np.bool_] = np.isin(self._groups, places)
        return mask


def _encoded(groups: pa.ChunkedArray | Sequence[str]) -> pa.ChunkedArray:
    if isinstance(groups, pa.ChunkedArray):
        return groups
    return pa.chunked_array([pa.array(groups, pa.string()).dictionary_encode()])
