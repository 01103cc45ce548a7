"""What a mirror and its store had in common last: which file is which object.

It tells a file that was never pushed from one that the store has removed, and a file that was
changed here from an object that was changed there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from nsfwcaps.files import JsonLines

Entry = tuple[int, int, str]
"""Size and time of the file in nanoseconds, and the tag of the object."""


class Ledger:
    """Names with their entries, kept in a file. Any thread may use it."""

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)
        self._alone = threading.Lock()
        self._entries: dict[str, Entry | None] = {}
        self.reload()

    def reload(self) -> None:
        """Read what other processes have added."""
        with self._alone:
            self._entries = {}
            for row in self._lines.rows():
                name, entry = row
                self._entries[name] = tuple(entry) if entry else None

    def compact(self) -> None:
        """Write the present entries only; no other process may be adding any."""
        with self._alone:
            known = [(name, entry) for name, entry in self._entries.items() if entry]
            self._lines.replace(known)

    def entry(self, name: str) -> Entry | None:
        """Return a name's entry."""
        return self._entries.get(name)

    def names(self) -> list[str]:
        """Return all names with entries."""
        with self._alone:
            return [name for name, entry in self._entries.items() if entry]

    def add(self, name: str, path: Path, tag: str) -> None:
        """Note that a file and an object are the same."""
        found = path.stat()
        self._note([(name, (found.st_size, found.st_mtime_ns, tag))])

    def add_rows(self, names: Iterable[str]) -> None:
        """Note rows of a journal that the store has, as objects or in one."""
        self._note([(name, (0, 0, "row")) for name in names if not self._entries.get(name)])

    def forget(self, names: Iterable[str]) -> None:
        """Note that files and objects are gone."""
        self._note([(name, None) for name in names if self._entries.get(name)])

    def unchanged(self, name: str, path: Path) -> bool:
        """Whether a file is as it was when it was noted."""
        entry = self._entries.get(name)
        try:
            found = path.stat()
        except OSError:
            return False
        return entry is not None and entry[:2] == (found.st_size, found.st_mtime_ns)

    def _note(self, rows: list[tuple[str, Entry | None]]) -> None:
        if rows:
            with self._alone:
                self._entries.update(rows)
                self._lines.add(rows, durable=False)
