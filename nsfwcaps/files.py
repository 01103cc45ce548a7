"""Files on disk: written whole or not at all, digested, or grown line by line."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

TEMPORARY = ".part-"
"""Begins the name of a file that is not whole yet."""


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Write to a temporary name, flush to the disk, rename: the file is whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
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
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
