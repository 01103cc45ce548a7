"""A JSONL file of finished items, which need not be generated again."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nsfwcaps.files import JsonLines

Row = Mapping[str, Any]


class Manifest:
    """Rows by `item`; the last row of an item wins."""

    def __init__(self, path: Path) -> None:
        self._file = JsonLines(path, sort_keys=True)
        self.rows: dict[str, Row] = {}
        for row in self._file.rows():
            with contextlib.suppress(TypeError, KeyError):
                self.rows[row["item"]] = row

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows and fsync them."""
        self._file.add(rows)
        self.rows |= {row["item"]: row for row in rows}
