"""ingest, staged chunks: mapped into memory, and cut into ranges of their key.

Every chunk is sorted by its key, the first column. A range is a slice of each chunk, found by
bisection and copied. So the cost of merging grows with the rows, however many chunks and ranges
there are, and memory holds one range.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps.tables import map_table
from nsfwcaps.vectors.columns import whole

Keys = npt.NDArray[np.bytes_]


class StagedRows:
    """Rows of staged files with one schema."""

    def __init__(self, paths: Sequence[Path], of: pa.Schema) -> None:
        self._paths, self._of = paths, of

    @cached_property
    def _chunks(self) -> list[tuple[Keys, pa.Table]]:
        tables = map(map_table, self._paths)
        return [(_keys(table), table) for table in tables if table.num_rows]

    def between(self, low: str, high: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows whose key is in `[low, high)`, chunk by chunk.

        Raises:
            ArtifactError: a chunk is missing or damaged.
        """
        found = [self._of.empty_table()]
        for keys, table in self._chunks:
            start, end = np.searchsorted(keys, np.array([low, high], keys.dtype))
            if start < end:
                found.append(table.slice(start, end - start))
        rows = pa.concat_tables(found)
        return (rows if columns is None else rows.select(list(columns))).combine_chunks()


def _keys(table: pa.Table) -> Keys:
    """Return a view of the first column, whose texts all have one length."""
    column = whole(table.column(0))
    digits = len(column[0].as_py())
    return np.frombuffer(column.buffers()[2], f"S{digits}", count=len(column))
