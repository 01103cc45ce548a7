"""embed, reuse: vectors of earlier runs, and one encoding per distinct text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.encoders.encoder import Encoded
from nsfwcaps.vectors.files import open_file
from nsfwcaps.vectors.source import Half

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Reused:
    """Vectors of some of n rows; the others must be encoded."""

    rows: Half
    """`[n, d]`; only rows in `there` have a meaning."""
    there: npt.NDArray[np.bool_]

    @property
    def missing(self) -> Places:
        """Rows without a vector, in order."""
        return np.flatnonzero(~self.there).astype(np.int64)

    def completed(self, encoded: Encoded) -> tuple[Half, dict[int, str]]:
        """Return rows `[m, d]` with those of the missing rows, and the failures by row."""
        missing = self.missing
        failed = {int(missing[at]): reason for at, reason in encoded.failed.items()}
        done = np.setdiff1d(missing, np.array(list(failed), dtype=np.int64))
        if len(done):
            self.rows[done] = encoded.rows
        return np.delete(self.rows, list(failed), axis=0) if failed else self.rows, failed


class Known:
    """Vectors in the stage folder made by the same encoder, in any shard."""

    def __init__(self, folder: StageFolder, encoder: str) -> None:
        self._files: list[tuple[str, Path]] = []
        self._ends: dict[Path, tuple[str, str] | None] = {}
        for row in folder.journal_rows():
            if row.facts.get("encoder") == encoder and folder.shard(row.key):
                group = row.facts["group"]
                self._files += [
                    (group, folder.path / f.path) for f in row.files if f.group == group
                ]

    def look_up(self, group: str, key: str, keys: pa.Array, width: int) -> Reused:
        """Find the vectors `[n, d]` of keys `[n]`, which are sorted."""
        rows = np.empty((len(keys), width), dtype=np.float16)
        there = np.zeros(len(keys), dtype=np.bool_)
        if len(keys):
            low, high = keys[0].as_py(), keys[-1].as_py()
            for _, path in (item for item in self._files if item[0] == group):
                ends = self._ends_of(path, key)
                if ends is not None and low <= ends[1] and ends[0] <= high:
                    _copy(path, key, keys, rows, there)
        return Reused(rows=rows, there=there)

    def _ends_of(self, path: Path, key: str) -> tuple[str, str] | None:
        """Return the first and the last key of a file in order; None without rows."""
        if path not in self._ends:
            ends = pc.min_max(open_file(path).column(key)).as_py()
            self._ends[path] = None if ends["min"] is None else (ends["min"], ends["max"])
        return self._ends[path]


def _copy(path: Path, key: str, keys: pa.Array, rows: Half, there: npt.NDArray[np.bool_]) -> None:
    """Copy a file's vectors of the keys."""
    file = open_file(path)
    spots = pc.fill_null(pc.index_in(keys, value_set=file.column(key)), -1).to_numpy()
    found = np.flatnonzero(spots >= 0)
    if len(found):
        rows[found] = file.vectors()[spots[found]]
        there[found] = True


@dataclass(frozen=True, kw_only=True)
class DistinctTexts:
    """The distinct texts `[t]` of captions `[n]`."""

    texts: list[str]
    text_of: Places
    """Text of each caption."""

    @classmethod
    def of(cls, captions: pa.Array) -> DistinctTexts:
        """Number the texts in the order in which they first occur."""
        coded = captions.dictionary_encode()
        return cls(
            texts=coded.dictionary.to_pylist(), text_of=coded.indices.to_numpy().astype(np.int64)
        )

    def per_caption(self, encoded: Encoded) -> Encoded:
        """Give each caption the row, or the reason, of its text."""
        failed = np.zeros(len(self.texts), dtype=np.bool_)
        failed[list(encoded.failed)] = True
        lost = np.flatnonzero(failed[self.text_of]).tolist()
        row_of = np.cumsum(~failed) - 1
        reasons: Mapping[int, str] = {at: encoded.failed[int(self.text_of[at])] for at in lost}
        return Encoded(
            rows=encoded.rows[row_of[self.text_of[~failed[self.text_of]]]], failed=reasons
        )
