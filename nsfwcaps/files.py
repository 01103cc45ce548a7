"""Files on disk: atomic writing, digests, append-only JSON lines."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

TEMPORARY = ".part-"
"""Prefix of an incomplete file's name."""


def write_atomically(path: Path, data: bytes | memoryview, *, tag: str | None = None) -> None:
    """Write to a temporary name, flush, rename: the file is complete or absent.

    `tag` keeps apart the temporary files of writers that may write the same file at the same time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{'' if tag is None else f'{tag}-'}{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_file(path: Path) -> str:
    """Return the sha256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class JsonLines:
    """An append-only file of JSON rows, one per line, that survives a kill."""

    def __init__(self, path: Path, *, sort_keys: bool = False, tag: str | None = None) -> None:
        self.path = path
        self._sort_keys, self._tag = sort_keys, tag

    def rows(self) -> Iterator[Any]:
        """Yield the complete rows; a line truncated by a kill is skipped."""
        for line in self.path.read_bytes().splitlines() if self.path.exists() else ():
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    def add(self, rows: Iterable[Any], *, durable: bool = True) -> None:
        """Append rows; if `durable`, flush them to disk before returning."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            # Terminate a line that was truncated by a kill.
            file.write((b"" if _ends_a_line(file) else b"\n") + self._lines(rows))
            if durable:
                file.flush()
                os.fsync(file.fileno())

    def replace(self, rows: Iterable[Any]) -> None:
        """Replace all rows atomically."""
        write_atomically(self.path, self._lines(rows), tag=self._tag)

    def sync(self) -> None:
        """Flush all added rows to disk."""
        with self.path.open("ab") as file:
            os.fsync(file.fileno())

    def _lines(self, rows: Iterable[Any]) -> bytes:
        dumped = (json.dumps(row, sort_keys=self._sort_keys) for row in rows)
        return "".join(f"{line}\n" for line in dumped).encode()


def _ends_a_line(file: BinaryIO) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
