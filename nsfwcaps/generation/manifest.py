"""A JSONL file of finished items, which need not be generated again."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


class Manifest:
    """Rows by `item`; the last row of an item wins."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: dict[str, Row] = {}
        for line in path.read_bytes().splitlines() if path.exists() else ():
            # A kill can truncate the last line; its item is then unfinished.
            with contextlib.suppress(ValueError, TypeError, KeyError):
                row = json.loads(line)
                self.rows[row["item"]] = row

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows and fsync them."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)
        with self._path.open("a+b") as file:
            # Start a fresh line after a truncated one.
            file.write((b"" if _ends_a_line(file) else b"\n") + lines.encode())
            file.flush()
            os.fsync(file.fileno())
        self.rows |= {row["item"]: row for row in rows}


def _ends_a_line(file: Any) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")
