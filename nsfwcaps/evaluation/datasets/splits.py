"""Which rows of a data set are those of a split: by the names of its files, or by a column."""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Sequence

from nsfwcaps.enums import Split
from nsfwcaps.errors import InputError

_NAMED = re.compile(r"(train|validation|valid|val|dev|test)(?![a-z])")
_MEANS = {"valid": "validation", "val": "validation", "dev": "validation"}


class AskedSplit(enum.StrEnum):
    """What of a data set is evaluated."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    ALL = "all"
    """Every pair, as of a set that nothing was trained on; classes have their test split."""

    @property
    def of_classes(self) -> Split | None:
        """The split of classification sets; None for the usual one."""
        return None if self is AskedSplit.ALL else Split(self.value)


class SplitRows:
    """Decides row by row, and knows what it has seen where nothing is left."""

    def __init__(self, where: str, wanted: Split | AskedSplit | None) -> None:
        self._where = where
        self._wanted = wanted
        self._whole = wanted is AskedSplit.ALL
        self._split = (wanted or Split.TEST).value
        self._seen: Counter[str] = Counter()

    def files(self, urls: Sequence[str]) -> list[str]:
        """Files of the split where their names or folders tell splits apart, else all.

        Raises:
            InputError: they tell splits apart, and none is of this one.
        """
        of_file = [_split_of(url, self._where) for url in urls]
        found = {name for name in of_file if name is not None}
        if not found or self._whole:
            return list(urls)
        if self._split not in found:
            raise InputError(
                f"{self._where}: no file is of the split {self._split}; there are files of "
                f"{', '.join(sorted(found))}: choose one with --split"
            )
        return [url for url, name in zip(urls, of_file, strict=True) if name == self._split]

    def takes(self, cell: object) -> bool:
        """Tell whether a row belongs to the split, by the cell of its column."""
        name = str(cell).strip().lower()
        name = _MEANS.get(name, name)
        self._seen[name] += 1
        return self._whole or name == self._split

    def check(self, rows: int, *, known: bool) -> None:
        """Refuse a set that has no row of the split, or a split that was asked for in vain.

        Raises:
            InputError: naming the splits that there are.
        """
        if self._seen and not rows:
            held = ", ".join(f"{name} {count:,}" for name, count in self._seen.most_common(5))
            raise InputError(
                f"{self._where}: no row is of the split {self._split}; there are: {held}. "
                "Choose one with --split"
            )
        if self._wanted is not None and not self._whole and not known:
            raise InputError(
                f"{self._where}: --split {self._split} was asked for, and neither a column 'split' "
                "nor names of files tell splits apart; leave --split out to use all rows"
            )


def tells_splits(urls: Sequence[str], where: str) -> bool:
    """Tell whether names of files say which split they are of."""
    return any(_split_of(url, where) for url in urls)


def _split_of(url: str, where: str) -> str | None:
    """Split in a file's name, or in that of a folder below the one that was named."""
    parts = url.split("/")
    above = len(where.rstrip("/").split("/"))
    for part in reversed(parts[above:] if url.startswith(where.rstrip("/") + "/") else parts[-1:]):
        if match := _NAMED.match(part.lower()):
            return _MEANS.get(match[1], match[1])
    return None
