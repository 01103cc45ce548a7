"""An exported folder: delivered whole or not at all, and never over somebody else's files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nsfwcaps.errors import StorageError

RECORD = "export.json"
"""Says what the export is, and which files are its own."""


@contextmanager
def delivered(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write into, which takes the place of the other when all went well.

    Raises:
        StorageError: there are files in the folder that no export has written, or there can be
            no folder.
    """
    target = folder.absolute()
    _check(target)
    temporary = target.with_name(f".part-{target.name}-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
    except FileNotFoundError:  # as in /proc
        raise StorageError(f"{target}: no folder can be made there; choose another --out") from None
    try:
        yield temporary
        _flush(temporary)
        _replace(target, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_record(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the record of all that is in a folder, last."""
    files = sorted(path.relative_to(folder).as_posix() for path in _files(folder))
    (folder / RECORD).write_text(json.dumps({**facts, "files": files}, indent=1) + "\n")


def _check(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise StorageError(f"{target} is a file; choose another --out")
    known = {RECORD, *_recorded(target)}
    other = [path for path in _files(target) if path.relative_to(target).as_posix() not in known]
    if other:
        raise StorageError(
            f"{target} holds files that are no export's (such as {other[0].name}), and exporting "
            "would remove them; choose another --out"
        )


def _recorded(target: Path) -> list[str]:
    try:
        return [str(name) for name in json.loads((target / RECORD).read_bytes())["files"]]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def _flush(folder: Path) -> None:
    """Put all on the disk before the name says that it is there."""
    for path in (*_files(folder), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _replace(target: Path, temporary: Path) -> None:
    before = temporary.with_name(f"{temporary.name}-before")
    if target.exists():
        target.rename(before)
    try:
        temporary.rename(target)
    except OSError:
        if before.exists():
            before.rename(target)
        raise
    shutil.rmtree(before, ignore_errors=True)
