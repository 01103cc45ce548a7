"""The journals of a stage's folder: one row for each finished shard, one file for each writer.

    shards.jsonl            of the driver
    shards-<writer>.jsonl   of a process or machine that shares the work

Appending to one file from several machines is not safe, so each writer has its own. Readers take
them together, and read only what was added since they looked last: with many shards and many jobs,
reading all rows for each job would cost more than the jobs.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.files import JsonLines

_STEM, _SUFFIX = "shards", ".jsonl"
JOURNAL = f"{_STEM}{_SUFFIX}"
JOURNALS = f"{_STEM}*{_SUFFIX}"
"""Pattern of the journals of all writers."""

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class JournalRows:
    """Rows in the journals: all of them, or those that are `new` since the last look."""

    rows: list[Row]
    new: bool


class Journals:
    """The journals in one folder, seen by one writer; the driver has no name."""

    def __init__(self, folder: Path, writer: str | None) -> None:
        self._folder = folder
        name = JOURNAL if writer is None else f"{_STEM}-{writer}{_SUFFIX}"
        self._own = JsonLines(folder / name, sort_keys=True, tag=writer)
        self._read: dict[Path, int] = {}
        """Bytes of each file whose rows were read."""

    def paths(self) -> list[Path]:
        """Return the files that are there, that of the driver first."""
        others = sorted(self._folder.glob(f"{_STEM}-*{_SUFFIX}"))
        first = self._folder / JOURNAL
        return [first, *others] if first.exists() else others

    def look(self) -> JournalRows:
        """Read what was added; all, if a file was replaced or removed."""
        sizes = {}
        for path in self.paths():
            with contextlib.suppress(FileNotFoundError):  # joined meanwhile
                sizes[path] = path.stat().st_size
        new = all(sizes.get(path, -1) >= read for path, read in self._read.items())
        if not new:
            self._read = {}
        rows: list[Row] = []
        for path, size in sizes.items():
            if size > (start := self._read.get(path, 0)):
                with contextlib.suppress(FileNotFoundError):
                    rows += self._rows(path, start)
        return JournalRows(rows=rows, new=new)

    def _rows(self, path: Path, start: int) -> list[Row]:
        """Read the lines of a file from a byte on; damaged ones are left out.

        The last one may be in the making: unless it can be read, it is left for the next look.
        """
        with path.open("rb") as file:
            file.seek(start)
            data = file.read()
        *whole, last = data.split(b"\n")
        found = [row for line in whole if (row := _row(line)) is not None]
        if (row := _row(last)) is not None:  # whole, and only its end is missing
            found.append(row)
            last = b""
        self._read[path] = start + len(data) - len(last)
        return found

    def add(self, row: Row) -> None:
        """Append a row to the writer's own file, and flush it to the disk."""
        self._own.add([row])

    def join(self, rows: Iterable[Row]) -> None:
        """Write the rows to the driver's file, and remove all others."""
        self._own.replace(rows)
        for path in self.paths():
            if path != self._own.path:
                path.unlink()


def _row(line: bytes) -> Row | None:
    try:
        found: Row = json.loads(line)
    except ValueError:
        return None
    return found
