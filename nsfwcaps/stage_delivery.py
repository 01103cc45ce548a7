"""Delivery of a stage's files to the user's folder, such as `RUN/dataset`, under final names."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from nsfwcaps.artifacts import StageRecord, intact
from nsfwcaps.files import TEMPORARY


def deliver(record: StageRecord, target: Path, owned: Sequence[str]) -> list[str]:
    """Deliver a record's `dataset` files to a folder under their final names.

    Idempotent; uses hard links if the file system supports them. Parquet files in the `owned`
    subfolders that the record does not list come from an earlier run and are removed. So is such a
    subfolder if it is empty.

    Returns a line for each file of the user that it kept.
    """
    wanted: set[Path] = set()
    for file in record.files:
        if file.group != "dataset":
            continue
        path = target / Path(file.path).relative_to(Path(file.path).parts[0])
        wanted.add(path)
        if not intact(path, file):
            _link(record.folder / file.path, path)
    for folder in owned:
        for path in (target / folder).glob("*.parquet"):
            if path not in wanted:
                path.unlink()
        with contextlib.suppress(OSError):
            (target / folder).rmdir()  # fails unless empty
    return []


def _link(source: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
    temporary.replace(path)
