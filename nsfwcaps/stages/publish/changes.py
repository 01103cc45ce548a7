"""publish, changes: what became of the pairs of the data set that this one replaces, in counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import Shard, StageFolder
from nsfwcaps.errors import ArtifactError
from nsfwcaps.stage_delivery import delivered_files
from nsfwcaps.tables import read_tables

_KEYS = ("unsafe_id", "safe_id")
_PLACES = ("split", "stage")
_COLUMNS = (*_KEYS, "rank", *_PLACES)
_PAIRS = "data"  # folder of the pairs in the data set

Rows = list[dict[str, Any]]


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
    same = old.join(new, [*_KEYS], join_type="inner", left_suffix="_old", right_suffix="_new")
    before = _by_unsafe(old.join(new, [*_KEYS], join_type="left anti"))
    after = _by_unsafe(new.join(old, [*_KEYS], join_type="left anti"))
    moved = [
        pair
        for unsafe, rows in before.items()
        for pair in zip(rows, after.get(unsafe, ()), strict=False)
    ]
    kept = same.num_rows + len(moved)
    other = {
        name: int(pc.sum(pc.not_equal(same[f"{name}_old"], same[f"{name}_new"])).as_py() or 0)
        + sum(was[name] != now[name] for was, now in moved)
        for name in _PLACES
    }
    return {
        "pairs": old.num_rows,
        "kept": kept,
        "gone": old.num_rows - kept,
        "new": new.num_rows - kept,
        "to_another_target": len(moved),
        "to_another_split": other["split"],
        "to_another_level": other["stage"],
    }


def _by_unsafe(pairs: pa.Table) -> dict[str, Rows]:
    """Return the pairs of each unsafe caption by rank, equal ranks by target."""
    found: dict[str, Rows] = defaultdict(list)
    order = [("unsafe_id", "ascending"), ("rank", "ascending"), ("safe_id", "ascending")]
    for row in pairs.sort_by(order).to_pylist():
        found[row["unsafe_id"]].append(row)
    return found


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
