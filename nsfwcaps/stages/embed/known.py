"""embed, reuse: vectors of earlier runs, and one encoding per distinct text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.encoders.encoder import Encoded, Encoder
from nsfwcaps.progress import Advance
from nsfwcaps.vectors.files import open_file


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

    def complete(
        self,
        group: str,
        key: str,
        keys: pa.Array,
        encode: Callable[[Sequence[int]], Encoded],
        advance: Advance,
    ) -> tuple[np.ndarray[Any, Any], dict[int, str]]:
        """Return rows `[m, d]` for keys `[n]`, known or encoded now, and the failures by row."""
        known = self._lookup(group, key, keys)
        advance(len(known))
        todo = [row for row in range(len(keys)) if row not in known]
        encoded = encode(todo)
        failed = {todo[at]: reason for at, reason in encoded.failed.items()}
        fresh = iter(encoded.rows)
        out = np.empty((len(keys) - len(failed), encoded.rows.shape[1]), dtype=np.float16)
        rows = (row for row in range(len(keys)) if row not in failed)
        for at, row in enumerate(rows):
            out[at] = known[row] if row in known else next(fresh)
        return out, failed

    def _lookup(self, group: str, key: str, keys: pa.Array) -> dict[int, Any]:
        if len(keys) == 0:
            return {}
        low, high = keys[0].as_py(), keys[-1].as_py()
        found: dict[int, Any] = {}
        for _, path in (item for item in self._files if item[0] == group):
            ends = self._ends_of(path, key)
            if ends is None or ends[1] < low or high < ends[0]:
                continue
            file = open_file(path)
            spots = pc.index_in(keys, value_set=file.column(key)).to_pylist()
            vectors = file.vectors()
            found |= {row: vectors[spot] for row, spot in enumerate(spots) if spot is not None}
        return found

    def _ends_of(self, path: Path, key: str) -> tuple[str, str] | None:
        """Return the first and the last key of a file in order; None without rows."""
        if path not in self._ends:
            ends = pc.min_max(open_file(path).column(key)).as_py()
            self._ends[path] = None if ends["min"] is None else (ends["min"], ends["max"])
        return self._ends[path]


def encode_distinct(
    encoder: Encoder, texts: pa.Array, place: np.ndarray[Any, Any], advance: Advance
) -> Encoded:
    """Encode each text referenced by `place` `[n]` once; captions with equal text share the row."""
    used, inverse = np.unique(place, return_inverse=True)
    encoded = encoder.encode_text(texts.take(pa.array(used)).to_pylist(), advance)
    advance(len(place) - len(used))
    row_of = np.cumsum([item not in encoded.failed for item in range(len(used))]) - 1
    failed = {
        at: encoded.failed[text]
        for at, text in enumerate(inverse.tolist())
        if text in encoded.failed
    }
    kept = [row_of[text] for text in inverse.tolist() if text not in encoded.failed]
    return Encoded(rows=encoded.rows[kept], failed=failed)
