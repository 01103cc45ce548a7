"""Values of the column that figures are given by: few words or whole numbers, and no captions."""

from __future__ import annotations

import math
import re
from collections import Counter

from nsfwcaps.captions.tables.values import Kind, kind_of, text_cell
from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.captions import caption_of
from nsfwcaps.evaluation.datasets.pair_set import PairSet

_MOST_VALUES = 100
_FEW_PAIRS = 20
"""So few pairs may well have a value each."""
_UNREADABLE = re.compile("[\\udc80-\\udcff\\x00-\\x08]")
"""Signs of bytes that are no UTF-8, as `text_cell` leaves them, or of control characters."""
_HASH = re.compile(r"(?=.*\d)[0-9a-f]{16,64}", re.IGNORECASE)
_NUMBERS = (Kind.NUMBER, Kind.SCORE)
_FILES = (Kind.IMAGE_FILE, Kind.URL)


class ColumnValues:
    """Values of the column, pair by pair. Errors never quote one: it may be a caption."""

    def __init__(self) -> None:
        self._texts: Counter[str] = Counter()
        self._pairs = 0
        self._others = False

    def add(self, cell: object) -> None:
        """Add the cell of a pair."""
        self._pairs += 1
        value = text_cell(cell)
        if value is None or value == "":
            return
        if isinstance(value, float):
            if math.isnan(value):
                return
            self._others |= not value.is_integer()  # else whole numbers beside empty cells
        elif not isinstance(value, str | bool | int):
            self._others = True
            return
        self._texts[str(value)] += 1

    def check(self, pairs: PairSet, by: str, where: str) -> None:
        """Check that the values divide the pairs into few groups.

        Raises:
            InputError: they are no words or whole numbers, or are captions, ids, paths, or many.
        """
        if wrong := self._wrong(pairs):
            raise InputError(
                f"{where}: column '{by}' (--by) {wrong}; choose one with few values, such as "
                "category, stage or edit"
            )

    def _wrong(self, pairs: PairSet) -> str | None:
        texts = [*self._texts]
        if self._others or (kind_of(texts) in _NUMBERS and any(map(_is_fraction, texts))):
            return "holds other values than text, true or false, and whole numbers"
        captions = {*pairs.safe_captions, *pairs.unsafe_captions}
        if any(caption_of(text) in captions for text in texts):
            return "holds captions"
        if any(map(_UNREADABLE.search, texts)):
            return "holds bytes"
        if any(map(_HASH.fullmatch, texts)):
            return "holds ids"
        if kind_of(texts) in _FILES:
            return "holds paths"
        single = sum(count == 1 for count in self._texts.values())
        if self._pairs > _FEW_PAIRS and 2 * single > self._pairs:
            return f"has a value of its own for {single:,} of {self._pairs:,} pairs"
        if len(texts) > _MOST_VALUES:
            return f"has {len(texts):,} values, more than {_MOST_VALUES}"
        return None


def _is_fraction(text: str) -> bool:
    try:
        return not float(text).is_integer()
    except ValueError:
        return False
