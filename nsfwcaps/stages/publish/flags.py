"""publish, flags: reasons to be careful with a pair, found by ingest and embed for its captions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import FLAGGED, StageRecord
from nsfwcaps.tables import column_names, read_tables

_SIDES = ("unsafe", "safe")


class PairFlags:
    """Flags by caption id."""

    def __init__(self, inputs: Mapping[str, StageRecord]) -> None:
        flagged = [*_of_embed(inputs["embed"]), *_of_ingest(inputs["ingest"])]
        ids: dict[str, list[pa.Array]] = {}
        for table in flagged:
            for name in pc.unique(table["flag"]).to_pylist():
                here = table.filter(pc.equal(table["flag"], name))
                ids.setdefault(name, []).append(here["id"].combine_chunks())
        self._ids = {name: pa.concat_arrays(parts) for name, parts in sorted(ids.items())}

    def any(self, grade: StageRecord, kept: npt.NDArray[np.bool_]) -> bool:
        """Whether one of the kept pairs of the grade stage has a flag; `kept` is a mask `[p]`."""
        start = 0
        for table in (
            read_tables(grade.paths("pairs"), ["unsafe_id", "safe_id"]) if self._ids else ()
        ):
            here = kept[start : start + table.num_rows]
            start += table.num_rows
            if any((mask & here).any() for mask in self._masks(table).values()):
                return True
        return False

    def column(self, pairs: pa.Table) -> pa.Array:
        """Return the flags `[p]` of pairs by `unsafe_id` and `safe_id`; an empty list for none.

        A caption fixed in a review has a new id, and so no flags.
        """
        masks = self._masks(pairs)
        names = np.array([*masks], dtype=object)
        on = np.stack([*masks.values()], axis=1) if masks else np.zeros((pairs.num_rows, 0), bool)
        ends = np.concatenate([[0], np.cumsum(on.sum(axis=1))])
        values = pa.array(names[np.nonzero(on)[1]].tolist(), pa.string())
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values)

    def _masks(self, pairs: pa.Table) -> dict[str, npt.NDArray[np.bool_]]:
        """Return a mask `[p]` for every flag of every side."""
        return {
            f"{side}_{name}": np.asarray(
                pc.is_in(pairs[f"{side}_id"], value_set=ids).combine_chunks()
            )
            for side in _SIDES
            for name, ids in self._ids.items()
        }


def _of_embed(embed: StageRecord) -> list[pa.Table]:
    """Return the flags of embed: `id`, `flag`."""
    return list(read_tables(embed.paths(FLAGGED)))


def _of_ingest(ingest: StageRecord) -> list[pa.Table]:
    """Return the flags of ingest as `id`, `flag`; absent in older records."""
    tables = []
    for path in (path for side in _SIDES for path in ingest.paths(side)):
        if "flags" not in column_names(path):
            return []
        table = next(read_tables([path], ["id", "flags"])).combine_chunks()
        rows = pc.list_parent_indices(table["flags"])
        tables.append(
            pa.table({"id": table["id"].take(rows), "flag": pc.list_flatten(table["flags"])})
        )
    return tables
