"""ingest, kept columns: which columns of the pools travel with the captions, and as what type."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard
from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.readers import ending_of
from nsfwcaps.captions.rows import Row, Sample
from nsfwcaps.captions.tables import kept
from nsfwcaps.errors import InputError

# In a file without a header, captions are taken for names: they must not be printed.
_NAME = re.compile(r"[\w.:/-]{1,40}", re.ASCII)
_TEXT_TABLES = (".csv", ".tsv", ".txt", ".token")


class KeptColumns:
    """Kept columns of one pool."""

    def __init__(self, wanted: Sequence[str], url: str) -> None:
        self._wanted = wanted
        self._url = url
        self._untyped = ending_of(url) in _TEXT_TABLES
        self._cells = kept.Cells(untyped=self._untyped)
        self.spelt: dict[str, str] = {}
        """The pool's own names of its columns, by the wanted name."""

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def choose(self, sample: Sample) -> list[str]:
        """Return the columns to read.

        Raises:
            InputError: a column holds bytes.
        """
        self.spelt = kept.spelt(self._wanted, sample.names)
        for name in self.spelt.values():
            if name in sample.binary:
                raise InputError(
                    f"{shown(self._url)}: column '{name}' holds bytes, which are not kept; "
                    "expected text, numbers or flags: correct --keep-columns"
                )
        return list(self.spelt.values())

    def encode(self, row: Row) -> str:
        """Return the kept cells of a row as JSON."""
        return self._cells.encode(row, self.spelt)

    def kinds(self) -> dict[str, list[str]]:
        """Return the kinds of the values since the last call, by column that the pool has."""
        found = {name: list[str]() for name in self.spelt} | self._cells.kinds()
        self._cells = kept.Cells(untyped=self._untyped)
        return found


def column_types(wanted: Sequence[str], chunks: Sequence[Shard]) -> dict[str, str]:
    """Return the type of every kept column over all pools.

    Raises:
        InputError: no pool has a column.
    """
    found: dict[str, set[str]] = {}
    present: dict[str, None] = {}
    for chunk in chunks:
        for name, kinds in chunk.facts["kept"].items():
            found.setdefault(name, set()).update(kinds)
        columns = chunk.facts["columns"]
        present |= dict.fromkeys((*columns.get("used", {}).values(), *columns.get("ignored", ())))
    names = [name for name in present if _NAME.fullmatch(name)]
    for name in wanted:
        if name not in found:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise InputError(
                f"ingest.keep_columns: no pool has the column '{name}'; {hint}available columns: "
                f"{', '.join(names)}; correct --keep-columns or --group-column"
            )
    return {name: kept.widened(found[name]).value for name in wanted}


def colliding(wanted: Sequence[str]) -> str | None:
    """Return the first name whose published column would already be there."""
    sides = ("unsafe", "safe", "partner")
    everything = schema.published(
        with_pictures=True,
        with_partners=True,
        with_nsfwcaps=True,
        with_review=True,
        with_labels=True,
    )
    taken = {name.casefold() for name in everything.names}
    return next(
        (n for n in wanted if any(f"{side}_{n}".casefold() in taken for side in sides)), None
    )
