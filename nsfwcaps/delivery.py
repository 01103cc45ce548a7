"""Atomic delivery of an exported folder, which never overwrites foreign files."""

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
"""Describes the export and lists its files."""


@contextmanager
def delivered(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write into; on success it replaces the target.

    Raises:
        StorageError: the target contains files that no export has written, or it cannot be
            created.
    """
    target = folder.absolute()
    _check(target)
    temporary = target.with_name(f".part-{target.name}-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
    except FileNotFoundError:  # for example in /proc
        raise StorageError(f"{target}: cannot create this folder; choose another --out") from None
    try:
        yield temporary
        _flush(temporary)
        _replace(target, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_record(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the record of all files in a folder, last."""
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
            f"{target} contains files that no export has written (such as {other[0].name}) and "
            "that exporting would remove; choose another --out"
        )


def _recorded(target: Path) -> list[str]:
    try:
        return [str(name) for name in json.loads((target / RECORD).read_bytes())["files"]]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def _flush(folder: Path) -> None:
    """Flush all files to disk before the rename makes them visible."""
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
