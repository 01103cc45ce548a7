"""Pools as `build` accepts them: paths, or captions in memory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.errors import InputError
from nsfwcaps.files import write_atomically
from nsfwcaps.stage import IN_RUN
from nsfwcaps.tables import parquet_bytes

INPUTS = "inputs"
"""Subfolder of a run for pools given in memory."""

_DIGITS = 16
_OURS = re.compile(rf"(safe|unsafe|pool)-[0-9a-f]{{{_DIGITS}}}\.parquet")


@dataclass(frozen=True, kw_only=True)
class GivenPool:
    """One pool: its paths and, for captions in memory, the file to write them to."""

    paths: tuple[str, ...]
    name: str | None = None
    data: memoryview | bytes = b""


def given_pool(label: str, value: Any) -> GivenPool:
    """Distinguish files from captions.

    A `str` or a `Path` names a file, folder, glob or URL. A list of `Path` names several. Any other
    list or column holds captions; a table holds rows, whose columns ingest detects.

    Raises:
        InputError: the value is not a pool, a caption given as `str`, or a list of file names given
            as `str`.
    """
    if value is None:
        return GivenPool(paths=())
    if isinstance(value, str) and _may_be_caption(value):
        raise InputError(
            f"{label}: a str names a file, folder, glob or URL, and nothing has this name; "
            "pass captions as a list"
        )
    if isinstance(value, str | Path):
        return GivenPool(paths=(str(value),))
    if isinstance(value, list | tuple):
        if value and all(isinstance(item, Path) for item in value):
            return GivenPool(paths=tuple(map(str, value)))
        _check_no_names(label, value)
    from nsfwcaps.api.columns import table_of

    data = parquet_bytes(table_of(value, where=label))
    name = f"{label}-{hashlib.sha256(data).hexdigest()[:_DIGITS]}.parquet"
    return GivenPool(paths=(f"{IN_RUN}{INPUTS}/{name}",), name=name, data=data)


def write(pools: Sequence[GivenPool], workdir: Path) -> list[Path]:
    """Write in-memory pools to the run's folder; return the new files.

    Files are named by content and written once.
    """
    written = []
    for pool in pools:
        path = workdir / INPUTS / str(pool.name)
        if pool.name is not None and not path.is_file():
            write_atomically(path, pool.data)
            written.append(path)
    return written


def remove(paths: Sequence[Path], workdir: Path) -> None:
    """Remove pools that `write` has just written, and their folder if it is empty."""
    for path in paths:
        path.unlink()
    if paths and not any((workdir / INPUTS).iterdir()):
        (workdir / INPUTS).rmdir()


def remove_others(pools: Sequence[GivenPool], workdir: Path) -> None:
    """Remove pools that earlier calls wrote and the finished run does not use."""
    used = {pool.name for pool in pools}
    for path in (workdir / INPUTS).glob("*.parquet"):
        if path.name not in used and _OURS.fullmatch(path.name):
            path.unlink()


def _check_no_names(label: str, items: Sequence[Any]) -> None:
    """Reject a list of file names, which would otherwise be mined as captions."""
    texts = [item for item in items if isinstance(item, str)]
    if texts and len(texts) == len(items) and all(map(_names_a_file, texts)):
        raise InputError(
            f"{label}: a list of str holds captions, but every item names a file or URL; give a "
            "single str for one file, or a list of pathlib.Path for several"
        )


def _may_be_caption(text: str) -> bool:
    """Whether a str looks like a caption, which an error about a missing file would print."""
    is_path = text.startswith(("/", "./", "../", "~")) or "://" in text or "\\" in text
    if is_path or len(text.split()) < 2 or any(sign in text for sign in "*[{"):
        return False
    from nsfwcaps.captions.readers import READERS, ending_of

    return ending_of(text) not in READERS and not _names_a_file(text)


def _names_a_file(text: str) -> bool:
    if "://" in text and " " not in text:
        return True
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long for a path, or contains NUL
        return False
