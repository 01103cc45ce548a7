"""The columns of a run's pairs that say how good they are, read file by file.

A run may have ten million pairs. Their ids alone would take gigabytes, so codes take their places
at once, and categories are joined from those files of ingest that hold the ids of a file of pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.errors import ArtifactError
from nsfwcaps.inspection.pairs import (
    MadeBy,
    latest,
    made_by,
    open_pairs,
    pair_files,
    records_of,
)
from nsfwcaps.mining.deciding import COSINES
from nsfwcaps.tables import column_names, read_tables

if TYPE_CHECKING:
    import pyarrow as pa

_WANTED = ("unsafe_id", "safe_id", *COSINES, "stage", "category")


def pairs_to_measure(folder: Path) -> tuple[pa.Table, MadeBy]:
    """Return `safe_id`, cosines and, where known, `category` and `stage` of all pairs.

    Raises:
        ArtifactError: the folder has no pairs, or is damaged.
    """
    import pyarrow as pa

    records = records_of(folder) if folder.is_dir() else {}
    record = latest(records)
    files = [] if record is None else pair_files(record)
    if record is None or not files:
        pairs = open_pairs(folder)
        return pairs.table, pairs.made_by
    categories = _Categories(None if record.stage == "publish" else records.get("ingest"))
    parts = []
    for path in files:
        there = column_names(path)
        table = next(read_tables([path], [name for name in _WANTED if name in there]))
        ids = table["unsafe_id"].combine_chunks()
        if (found := categories.of(ids)) is not None:
            table = table.append_column("category", found.dictionary_encode())
        place = table.column_names.index("safe_id")
        table = table.set_column(place, "safe_id", table["safe_id"].dictionary_encode())
        parts.append(table.drop_columns(["unsafe_id"]))
    return pa.concat_tables(parts, promote_options="default"), made_by(folder, records)


class _Categories:
    """Categories of unsafe captions. Files of ingest ascend by id, and so do those of pairs."""

    def __init__(self, ingest: StageRecord | None) -> None:
        self._paths = [] if ingest is None else ingest.paths("unsafe")
        self._known = bool(self._paths)
        self._ends: dict[Path, tuple[str, str] | None] = {}
        self._held: dict[Path, pa.Table] = {}

    def of(self, ids: pa.Array) -> pa.Array | None:
        """Return the category `[m]` of each id; None if ingest's files are gone."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self._known:
            return None
        try:
            tables = list(self._around(ids))
        except ArtifactError:
            self._known = False
            return None
        if not tables:
            return pa.nulls(len(ids), pa.string())
        known = pa.concat_tables(tables)
        spots = pc.index_in(ids, value_set=known["id"].combine_chunks())
        return known["category"].combine_chunks().take(spots)

    def _around(self, ids: pa.Array) -> Iterator[pa.Table]:
        """Yield the files that may have some of the ids, and keep them for the next call."""
        import pyarrow.compute as pc

        ends = pc.min_max(ids).as_py()
        held, self._held = self._held, {}
        for path in self._paths if ends["min"] is not None else ():
            if path not in self._ends:
                held[path] = next(read_tables([path], ["id", "category"]))
                own = pc.min_max(held[path]["id"]).as_py()
                self._ends[path] = None if own["min"] is None else (own["min"], own["max"])
            known = self._ends[path]
            if known is not None and known[0] <= ends["max"] and ends["min"] <= known[1]:
                table = held.get(path)
                if table is None:
                    table = next(read_tables([path], ["id", "category"]))
                self._held[path] = table
                yield table
            else:
                held.pop(path, None)
