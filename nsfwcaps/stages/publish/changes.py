"""publish, changes: what became of the pairs of the data set that this one replaces, in counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from nsfwcaps.artifacts import Shard, StageFolder
from nsfwcaps.errors import ArtifactError
from nsfwcaps.stage_delivery import delivered_files
from nsfwcaps.stages.publish.nodes import numbered
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.index import Rows

_KEYS = ("unsafe_id", "safe_id")
_PLACES = ("split", "stage")
_COLUMNS = (*_KEYS, "rank", *_PLACES)
_PAIRS = "data"  # folder of the pairs in the data set


def changes(folder: StageFolder, target: Path, shards: Sequence[Shard]) -> dict[str, int] | None:
    """Compare the pairs of new shards with those of the data set in the target.

    Returns None if there is no data set there, or no readable one. With `edited`, the pairs are
    those of files that the user has edited.
    """
    for paths, edited in _previous(folder, target):
        old = _read(paths)
        if old is not None:
            new = _read([folder.path / file.path for shard in shards for file in shard.files])
            counts = None if new is None else compare(old, new)
            return counts if counts is None or not edited else {**counts, "edited": 1}
    return None


def compare(old: pa.Table, new: pa.Table) -> dict[str, int]:
    """Count the pairs that are kept, gone and new, and what changed in those kept.

    A pair is the same if it has the same two captions. Of an unsafe caption's other pairs, the
    first by rank is taken for the first one, and so on: it was kept, and has another target.
    """
    was, now = _keys(old, new)
    most = old.num_rows + new.num_rows
    spots = np.intersect1d(was.pairs, now.pairs, return_indices=True)[1:]
    before, after = (
        _by_unsafe(keys, np.setdiff1d(np.arange(len(keys.pairs)), here), most)
        for keys, here in zip((was, now), spots, strict=True)
    )
    moved = [
        rows[here]
        for rows, here in zip(
            (before[1], after[1]),
            np.intersect1d(before[0], after[0], return_indices=True)[1:],
            strict=True,
        )
    ]
    kept = len(spots[0]) + len(moved[0])
    other = {
        name: sum(
            int((was.places[name][one] != now.places[name][two]).sum())
            for one, two in (spots, moved)
        )
        for name in _PLACES
    }
    return {
        "pairs": old.num_rows,
        "kept": kept,
        "gone": old.num_rows - kept,
        "new": new.num_rows - kept,
        "to_another_target": len(moved[0]),
        "to_another_split": other["split"],
        "to_another_level": other["stage"],
    }


@dataclass(frozen=True)
class _Keys:
    """The pairs `[p]` of a data set as numbers, which ascend with the ids."""

    unsafe: Rows
    safe: Rows
    rank: Rows
    places: Mapping[str, Rows]
    """Split and level."""
    pairs: Rows
    """One number for both captions."""


def _keys(old: pa.Table, new: pa.Table) -> tuple[_Keys, _Keys]:
    columns = {}
    for name in (*_KEYS, *_PLACES):
        names, numbers = numbered([old[name], new[name]])
        columns[name] = len(names), numbers
    most = columns["safe_id"][0] + 1
    found = []
    for number, table in enumerate((old, new)):
        unsafe, safe = (columns[name][1][number] for name in _KEYS)
        places = {name: columns[name][1][number] for name in _PLACES}
        rank = np.asarray(table["rank"])
        found.append(_Keys(unsafe, safe, rank, places, unsafe * most + safe))
    return found[0], found[1]


def _by_unsafe(keys: _Keys, rows: Rows, most: int) -> tuple[Rows, Rows]:
    """Number the pairs `[m]` of each unsafe caption by rank, equal ranks by target.

    Returns a number for caption and place, of fewer than `most`, and the rows in that order.
    """
    rows = rows[np.lexsort((keys.safe[rows], keys.rank[rows], keys.unsafe[rows]))]
    unsafe = keys.unsafe[rows]
    starts = np.searchsorted(unsafe, unsafe, side="left")
    return unsafe * most + np.arange(len(rows)) - starts, rows


def _previous(folder: StageFolder, target: Path) -> Iterator[tuple[list[Path], bool]]:
    """Yield files of pairs that users have, and whether edited: the first that is readable counts.

    Those delivered last, if all are as they were; else the stage's own, if it delivered them; else
    what is left of those delivered. The record stays that of the last finished run until this one
    finishes, so a run that was killed and goes on compares with the same data set. Without a list,
    an earlier version delivered.
    """
    found, record = delivered_files(folder.path, target, _PAIRS), folder.record()
    if found is not None and found.whole:
        yield list(found.paths), False
    if record is not None and (found is None or found.output == record.output_digest):
        yield [path for path in record.paths("dataset") if path.parent.name == _PAIRS], False
    if found is not None:
        yield list(found.paths), True


def _read(paths: Sequence[Path]) -> pa.Table | None:
    try:
        tables = [*read_tables(paths, [*_COLUMNS])]
    except ArtifactError:
        return None
    if not tables or any({*table.column_names} != {*_COLUMNS} for table in tables):
        return None
    text = [pa.field(name, pa.string()) for name in _COLUMNS if name != "rank"]
    whole = pa.schema([*text, pa.field("rank", pa.int64())])
    return pa.concat_tables([table.select(whole.names).cast(whole) for table in tables])
