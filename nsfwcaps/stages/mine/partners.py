"""mine, partners: resolve the partner references of the pools to safe captions.

    unsafe ids ─ ingest's `partner` column ─▶ names ─ ids of safe captions ─▶ safe rows, safe ids

A name is a full id, or its first 16 digits, which identify the text. Ids ascend across the files of
a stage, so each file is searched only for the names in its range.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.errors import InputError
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.index import Rows

Names = npt.NDArray[np.bytes_]
"""Ids or text halves of ids, 32 bytes each; empty for no partner."""

_NAME = "S32"
_AT_ONCE = 65_536
"""Ids that are Python strings at once."""


def names_of(column: Any) -> Names:
    """Return the names `[m]` in a column; empty for null."""
    parts = [np.zeros(0, dtype=_NAME)]
    for start in range(0, len(column), _AT_ONCE):
        some = pc.fill_null(column.slice(start, _AT_ONCE), "").to_pylist()
        parts.append(np.array(some, dtype=_NAME))
    return np.concatenate(parts)


def caption_ids(record: StageRecord, label: str) -> Iterator[Names]:
    """Yield the ids of the captions of a stage, file by file."""
    return (names_of(table["id"]) for table in read_tables(record.paths(label), ["id"]))


def partner_rows(ingest: StageRecord, embed: StageRecord) -> Rows:
    """Return the safe row `[u]` of the partner of every unsafe caption; −1 if it has none.

    Raises:
        InputError: no unsafe caption has a partner.
    """
    names = partner_names(ingest, np.concatenate(list(caption_ids(embed, "unsafe"))))
    rows = safe_rows(embed, names)
    if (rows < 0).all():
        raise InputError(
            f"mine: pairing=partner: {(names != b'').sum()} of {len(names)} unsafe captions name a "
            "partner, none of which is in the safe pool; add the pool of the partners with --safe, "
            "or set their column with --partner-column"
        )
    return rows


def partner_names(ingest: StageRecord, unsafe_ids: Names) -> Names:
    """Return the partner name of each unsafe caption `[m]`; empty if it has none."""
    wanted = _Wanted(unsafe_ids)
    names = np.zeros(len(unsafe_ids), dtype=_NAME)
    for table in read_tables(ingest.paths("unsafe"), ["id", "partner"]):
        places, spots = wanted.among(names_of(table["id"]))
        names[places] = names_of(table["partner"])[spots]
    return names


def safe_rows(embed: StageRecord, names: Names) -> Rows:
    """Return the row `[m]` of the embedded safe caption of each name; −1 if there is none.

    A text with several pictures resolves to the smallest id.
    """
    wanted = _Wanted(names)
    rows = np.full(len(names), -1, dtype=np.int64)
    first = 0
    for ids in caption_ids(embed, "safe"):
        places, spots = wanted.among(ids)
        rows[places] = first + spots
        first += len(ids)
    return rows


def safe_ids(embed: StageRecord, names: Names) -> Names:
    """Return the id `[m]` of the embedded safe caption of each name; empty if there is none."""
    wanted = _Wanted(names)
    found = np.zeros(len(names), dtype=_NAME)
    for ids in caption_ids(embed, "safe"):
        places, spots = wanted.among(ids)
        found[places] = ids[spots]
    return found


class _Wanted:
    """Names to look up, sorted."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._order = np.argsort(names, kind="stable")
        self._ascending = names[self._order]

    def among(self, ids: Names) -> tuple[Rows, Rows]:
        """Return the positions of names that prefix an id, and the first such id of each."""
        if len(ids) == 0:
            return self._order[:0], self._order[:0]
        # The text half of an id sorts before all ids that start with it.
        low = np.searchsorted(self._ascending, ids[0][:TEXT_DIGITS], side="left")
        high = np.searchsorted(self._ascending, ids[-1], side="right")
        places = self._order[low:high]
        spots = np.searchsorted(ids, self._names[places], side="left")
        hit = np.char.startswith(ids[spots], self._names[places])
        return places[hit], spots[hit]
