"""Partners, the safe captions that unsafe ones came with: from what pools name to who it is.

    unsafe ids ─ ingest's `partner` column ─▶ names ─ ids of safe captions ─▶ safe rows, safe ids

A name is a full id, or 16 digits, the half of one that is its text's. Ids ascend through the files
of a stage, so each file is looked through for its own range of names alone.
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
"""Ids or halves of them, 32 bytes each; empty where nothing is named."""

_NAME = "S32"


def names_of(column: Any) -> Names:
    """Names `[m]` in a column; empty for null."""
    return np.array(pc.fill_null(column, "").to_pylist(), dtype=_NAME)


def caption_ids(record: StageRecord, label: str) -> Iterator[Names]:
    """Ids of a stage's captions, one file after the other."""
    return (names_of(table["id"]) for table in read_tables(record.paths(label), ["id"]))


def partner_rows(ingest: StageRecord, embed: StageRecord) -> Rows:
    """Safe row `[u]` of every unsafe caption's partner; −1 where it has none.

    Raises:
        InputError: no unsafe caption has one.
    """
    names = partner_names(ingest, np.concatenate(list(caption_ids(embed, "unsafe"))))
    rows = safe_rows(embed, names)
    if (rows < 0).all():
        raise InputError(
            f"mine: pairing=partner, and of {len(names)} unsafe captions {(names != b'').sum()} "
            "name the safe caption that they came with and none of these is in the safe pool; give "
            "ingest the pool of these, or name the column with --partner-column"
        )
    return rows


def partner_names(ingest: StageRecord, unsafe_ids: Names) -> Names:
    """What each of some unsafe captions `[m]` names."""
    wanted = _Wanted(unsafe_ids)
    names = np.zeros(len(unsafe_ids), dtype=_NAME)
    for table in read_tables(ingest.paths("unsafe"), ["id", "partner"]):
        places, spots = wanted.among(names_of(table["id"]))
        names[places] = names_of(table["partner"])[spots]
    return names


def safe_rows(embed: StageRecord, names: Names) -> Rows:
    """Row `[m]` of the safe caption with a vector that each name means; −1 where there is none.

    Of a text under several pictures it is the first in the order of ids.
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
    """The same as ids `[m]`; empty where there is none."""
    wanted = _Wanted(names)
    found = np.zeros(len(names), dtype=_NAME)
    for ids in caption_ids(embed, "safe"):
        places, spots = wanted.among(ids)
        found[places] = ids[spots]
    return found


class _Wanted:
    """Names that are looked for."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._order = np.argsort(names, kind="stable")
        self._ascending = names[self._order]

    def among(self, ids: Names) -> tuple[Rows, Rows]:
        """Places of the names that ascending ids begin with, and for each the first such id."""
        if len(ids) == 0:
            return self._order[:0], self._order[:0]
        # The half of an id stands before all ids that begin with it.
        low = np.searchsorted(self._ascending, ids[0][:TEXT_DIGITS], side="left")
        high = np.searchsorted(self._ascending, ids[-1], side="right")
        places = self._order[low:high]
        spots = np.searchsorted(ids, self._names[places], side="left")
        hit = np.char.startswith(ids[spots], self._names[places])
        return places[hit], spots[hit]
