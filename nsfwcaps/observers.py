"""Who follows what is written to a run's folder, such as the mirror of a run on an object store.

A run in a folder has nobody: all calls then do nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Observer:
    """Follows one run's folder; this one does nothing. Any thread may call it."""

    def committed(self, stage: Path, row: Mapping[str, Any]) -> None:
        """Follow a shard, whose row was added to the journal of the stage's folder."""

    def discarded(self, stage: Path, names: Sequence[str]) -> None:
        """Follow the removal of a shard's files."""

    def finished(self, stage: Path, names: Collection[str]) -> None:
        """Follow the record of a finished stage; `names` are the files that its folder keeps."""

    def delivered(self, folder: Path) -> None:
        """Follow the files of a delivered folder, such as `dataset`, which are all there now."""

    def wrote(self, path: Path) -> None:
        """Follow one file beside the shards."""

    def has(self, path: Path, size: int, sha256: str) -> bool:
        """Whether a file that is not on the disk is where the run is kept; may bring it."""
        return False

    def fetch(self, paths: Sequence[Path]) -> None:
        """Bring files that are about to be read, where they are not on the disk."""

    def refresh(self, stage: Path) -> None:
        """Bring the journal rows of other writers."""


_NOBODY = Observer()
_OBSERVERS: dict[Path, Observer] = {}


def of(path: Path) -> Observer:
    """Return the observer of the run's folder that a path is in."""
    if not _OBSERVERS:
        return _NOBODY
    found = (_OBSERVERS[each] for each in (path, *path.parents) if each in _OBSERVERS)
    return next(found, _NOBODY)


@contextmanager
def observing(run: Path, observer: Observer) -> Iterator[None]:
    """Let an observer follow a run's folder."""
    before = _OBSERVERS.get(run)
    _OBSERVERS[run] = observer
    try:
        yield
    finally:
        del _OBSERVERS[run]
        if before is not None:
            _OBSERVERS[run] = before
