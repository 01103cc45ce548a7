"""Rows of a split, by file names or by a split column."""

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
    """The part of a data set to evaluate."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    ALL = "all"
    """Every pair, for sets not used in training; classification sets use their test split."""

    @property
    def of_classes(self) -> Split | None:
        """The split for classification sets; None for the default."""
        return None if self is AskedSplit.ALL else Split(self.value)


class SplitRows:
    """Selects rows of a split, counting the splits seen for error messages."""

    def __init__(self, where: str, wanted: Split | AskedSplit | None) -> None:
        self._where = where
        self._wanted = wanted
        self._all = wanted is AskedSplit.ALL
        self._split = (wanted or Split.TEST).value
        self._seen: Counter[str] = Counter()

    def files(self, urls: Sequence[str]) -> list[str]:
        """Select files of the split if file or folder names tell splits apart, else all.

        Raises:
            InputError: names tell splits apart, and no file is of this split.
        """
        of_file = [_split_of(url, self._where) for url in urls]
        found = {name for name in of_file if name is not None}
        if not found or self._all:
            return list(urls)
        if self._split not in found:
            raise InputError(
                f"{self._where}: no file of the split {self._split}; found files of "
                f"{', '.join(sorted(found))}: choose one with --split"
            )
        return [url for url, name in zip(urls, of_file, strict=True) if name == self._split]

    def takes(self, cell: object) -> bool:
        """Tell whether a row belongs to the split, by its cell in the split column."""
        name = str(cell).strip().lower()
        name = _MEANS.get(name, name)
        self._seen[name] += 1
        return self._all or name == self._split

    def check(self, rows: int, *, known: bool) -> None:
        """Check that the split has rows, and that an explicit split can be told apart.

        Raises:
            InputError: the split is empty or unknowable; the message lists the splits.
        """
        if self._seen and not rows:
            held = ", ".join(f"{name} {count:,}" for name, count in self._seen.most_common(5))
            raise InputError(
                f"{self._where}: no row of the split {self._split}; found {held}: choose one "
                "with --split"
            )
        if self._wanted is not None and not self._all and not known:
            raise InputError(
                f"{self._where}: cannot apply --split {self._split}: there is no 'split' column "
                "and no file name tells splits apart; omit --split to use all rows"
            )


def tells_splits(urls: Sequence[str], where: str) -> bool:
    """Tell whether any file name names a split."""
    return any(_split_of(url, where) for url in urls)


def _split_of(url: str, where: str) -> str | None:
    """Return the split named by a file, or by a folder between `where` and the file."""
    parts = url.split("/")
    above = len(where.rstrip("/").split("/"))
    for part in reversed(parts[above:] if url.startswith(where.rstrip("/") + "/") else parts[-1:]):
        if match := _NAMED.match(part.lower()):
            return _MEANS.get(match[1], match[1])
    return None
