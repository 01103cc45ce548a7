"""Copies that are there whole or not at all, and share their blocks where the disk can."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from nsfwcaps.files import TEMPORARY

_ALL = 2**30  # bytes asked for at once; the system may copy fewer


def copy(source: Path, path: Path) -> None:
    """Copy a file: to a temporary name, to the disk, then under its name.

    The new file is another one, with the modes of the umask: changes of either leave the other.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    try:
        with source.open("rb") as old, temporary.open("wb") as new:
            if not _clone(old.fileno(), new.fileno()):
                new.truncate(0)
                old.seek(0)
                new.seek(0)
                shutil.copyfileobj(old, new, 2**20)
            new.flush()
            os.fsync(new.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _clone(old: int, new: int) -> bool:
    """Copy within the kernel, which shares blocks (reflinks) on Btrfs, XFS and others."""
    if not hasattr(os, "copy_file_range"):
        return False
    try:
        while os.copy_file_range(old, new, _ALL):
            pass
    except OSError:  # not between these file systems; a full disk fails again below
        return False
    return os.fstat(old).st_size == os.fstat(new).st_size
