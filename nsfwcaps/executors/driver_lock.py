"""The lock of a run's folder: one driver at a time, and none while parts are at work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from nsfwcaps.errors import StorageError
from nsfwcaps.executors.claims import parts_at_work

_PATIENCE_S = 5.0
"""Parts that begin at the same time look one after the other whether a driver is at work."""
_TRIES = 20
"""To lock a new folder while other commands fail and remove it."""


@contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Lock the workdir, so that two commands never write to it at once.

    Raises:
        StorageError: another command holds the lock, or parts are at work.
    """
    with _alone(workdir):
        if found := parts_at_work(workdir):
            more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
            raise StorageError(
                f"part {found[0].part} of {found[0].order.stage} is at work in {workdir} on "
                f"{found[0].host}{more}; wait for it"
            )
        yield


@contextmanager
def without_driver(workdir: Path) -> Iterator[None]:
    """Lock the workdir for a moment, before a part begins: a driver at work would not wait for it.

    Raises:
        StorageError: another command holds the lock.
    """
    with _alone(workdir, patience_s=_PATIENCE_S):
        yield


@contextmanager
def _alone(workdir: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of the workdir."""
    import filelock

    made = not workdir.exists()
    lock = workdir / ".lock"
    try:
        with _held(lock, patience_s):
            try:
                yield
            except BaseException:
                if made and [*workdir.iterdir()] == [lock]:  # for example a mistyped pool
                    lock.unlink()
                    workdir.rmdir()
                raise
    except filelock.Timeout:
        raise StorageError(
            f"another nsfwcaps command is using {workdir}; wait for it, or choose another --workdir"
        ) from None


def _held(lock: Path, patience_s: float) -> AbstractContextManager[object]:
    """Acquire a lock; another command that fails may remove its new folder meanwhile."""
    import filelock

    for left in reversed(range(_TRIES)):
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            return filelock.FileLock(lock).acquire(timeout=patience_s)
        except FileNotFoundError:
            if not left:
                raise
    raise AssertionError("returned or raised above")
