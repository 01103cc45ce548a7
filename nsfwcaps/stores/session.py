"""Opening a run that may be on a store: its mirror, up to date, and pushed at the end."""

from __future__ import annotations

import contextlib
import enum
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from nsfwcaps import observers
from nsfwcaps.cache import VARIABLE, cache_folder
from nsfwcaps.errors import NsfwcapsError, StorageError, storage_error
from nsfwcaps.progress import Progress, Silent
from nsfwcaps.stores import address as addresses
from nsfwcaps.stores import lease as leases
from nsfwcaps.stores.lease import Lease
from nsfwcaps.stores.mirror import Mirror
from nsfwcaps.stores.names import POOLS
from nsfwcaps.stores.pulling import (
    drop_superseded,
    pull_files,
    pull_records,
    unpushed_record,
    unpushed_rows,
)
from nsfwcaps.stores.pushing import Looker, Pusher
from nsfwcaps.stores.store import Store

_LITTLE = 1 << 26
"""Bytes: with less room than this, a disk counts as full."""


class Use(enum.Enum):
    """What a command does with a run."""

    LOOK = enum.auto()
    """It reads records and journals."""
    PLAN = enum.auto()
    """It reads those, and the pools that stages of the run deliver."""
    READ = enum.auto()
    """It reads files."""
    WRITE = enum.auto()
    """It drives the run: nothing else may."""
    PART = enum.auto()
    """It makes a part, beside other parts, while there is no driver."""
    SHARE = enum.auto()
    """It makes shards for a driver, beside others."""


@contextmanager
def opened(
    place: str | Path,
    use: Use,
    *,
    progress: Progress | None = None,
) -> Iterator[Path]:
    """Yield the folder of a run: the place itself, or the mirror of one on a store.

    Within, whatever is printed names the store's address instead of the mirror.

    Args:
        place: A folder, or an address such as `s3://bucket/run`.
        use: What is done with it.
        progress: Shows what is fetched.

    Raises:
        ConfigError: the address cannot be that of a run.
        ModelError: the store's package is not installed.
        StorageError: the store cannot be reached or refuses, or another driver uses the run.
    """
    address = addresses.address_of(place)
    if address is None:
        yield addresses.folder_of(place)
        return
    addresses.require(address)
    try:
        with _renamed(), _mirrored(address, use, progress or Silent()) as root:
            yield root
    except NsfwcapsError as error:
        error.args = tuple(addresses.shown(each) for each in error.args)
        raise
    except OSError as error:
        known = storage_error(error)
        if known is None or not _is_here(error):
            raise
        reason = str(known).removeprefix(f"{error.filename}: ").partition(";")[0]
        raise StorageError(
            f"{address} has its mirror in {cache_folder()}, and there {reason}; set {VARIABLE} to "
            "another folder, and run the same command again"
        ) from None


def _is_here(error: OSError) -> bool:
    """Whether an error is of the mirrors' disk; that of a write to an open file lacks the path."""
    if error.filename is not None:
        return str(addresses.mirrors()) in str(error.filename)
    with contextlib.suppress(OSError):
        return shutil.disk_usage(cache_folder()).free < _LITTLE
    return False


def address_in(folder: Path) -> str | None:
    """Return the address of a run that is open, by the folder of its mirror."""
    shown = addresses.shown(f"{folder}")
    return None if shown == f"{folder}" else shown


@contextmanager
def _mirrored(address: str, use: Use, progress: Progress) -> Iterator[Path]:
    store = Store(address)
    store.check()
    mirror = Mirror(store)
    mirror.root.mkdir(parents=True, exist_ok=True)
    mirror.state.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if use is Use.WRITE:
            stack.enter_context(_driving(mirror, progress))
        elif use in (Use.PART, Use.SHARE):
            if use is Use.PART:
                Lease(store).refuse()
            stack.enter_context(_sharing(mirror, progress))
        else:
            stack.enter_context(_reading(mirror, use, progress))
        yield mirror.root
    for folder in (mirror.root, *mirror.root.parents)[:-1]:
        with contextlib.suppress(OSError):
            folder.rmdir()  # fails unless empty: nothing was there


@contextmanager
def _driving(mirror: Mirror, progress: Progress) -> Iterator[None]:
    """Hold the run, bring the mirror up to date, follow it, and push what is left at the end."""
    import filelock

    alone = filelock.FileLock(mirror.state / "driver.lock", timeout=0)
    try:
        alone.acquire()
    except filelock.Timeout:
        raise StorageError(
            f"another nsfwcaps command on this machine is using {mirror.store.address}; wait for "
            "it, or choose another --workdir"
        ) from None
    with ExitStack() as stack:
        stack.callback(alone.release)
        lease = Lease(mirror.store)
        lease.take()
        stack.callback(lease.release)
        pusher = Pusher(mirror, lease.check)
        stack.callback(pusher.close)
        with _pull_lock(mirror):
            _bring(mirror, pusher, progress)
        pusher = Pusher(mirror, lease.check)  # which knows what is here now
        stack.callback(pusher.close)
        stack.enter_context(_beating(lease, pusher))
        with observers.observing(mirror.root, pusher):
            try:
                yield
            except BaseException:
                with contextlib.suppress(Exception):  # the first error is said
                    pusher.flush()
                    lease.check()
                    pusher.push_changed()
                raise
            pusher.flush()
            lease.check()
            pusher.push_changed()


def _bring(mirror: Mirror, pusher: Pusher, progress: Progress) -> None:
    mirror.ledger.reload()
    pull_records(mirror)
    for stage in mirror.stages():
        pusher.tidy(stage)
        pusher.push_rows(stage, unpushed_rows(mirror, stage))
        if unpushed_record(mirror, stage):
            rows = [*mirror.rows_here(stage), mirror.record_here(stage) or {}]
            pusher.push_stage(stage, {f["path"] for row in rows for f in row.get("files", ())})
    pull_files(mirror, progress)
    drop_superseded(mirror)
    mirror.ledger.compact()


@contextmanager
def _sharing(mirror: Mirror, progress: Progress) -> Iterator[None]:
    with _pull_lock(mirror):
        if not _is_driven_here(mirror):
            mirror.ledger.reload()
            pull_records(mirror)
            pull_files(mirror, progress, unfinished=False)
        else:
            mirror.look()
    pusher = Pusher(mirror)
    try:
        with observers.observing(mirror.root, pusher):
            yield
            pusher.flush()
    finally:
        pusher.close()


@contextmanager
def _reading(mirror: Mirror, use: Use, progress: Progress) -> Iterator[None]:
    with _pull_lock(mirror):
        if _is_driven_here(mirror):  # then nothing there is newer than the mirror
            mirror.look()
        else:
            pull_records(mirror)
            if use is not Use.LOOK:
                pull_files(mirror, progress, only=POOLS if use is Use.PLAN else "")
    with observers.observing(mirror.root, Looker(mirror)):
        yield


@contextmanager
def _beating(lease: Lease, pusher: Pusher) -> Iterator[None]:
    """Show signs of life while the command works; push checkpoints, and shards of processes."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(leases.BEAT_S):
            with contextlib.suppress(Exception):  # told by the next commit, which checks
                lease.beat()
                pusher.push_changed()
                pusher.push_others()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _pull_lock(mirror: Mirror) -> Any:
    import filelock

    return filelock.FileLock(mirror.state / "pull.lock")


def _is_driven_here(mirror: Mirror) -> bool:
    """Whether a command of this machine drives the run in this mirror now."""
    import filelock

    lock = filelock.FileLock(mirror.state / "driver.lock", timeout=0)
    try:
        with lock:
            return False
    except filelock.Timeout:
        return True


@contextmanager
def _renamed() -> Iterator[None]:
    before = sys.stdout, sys.stderr
    streams: Any = _Renaming(before[0]), _Renaming(before[1])
    sys.stdout, sys.stderr = streams
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Renaming:
    """A stream whose texts name addresses instead of mirrors."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, renamed."""
        return self._stream.write(addresses.shown(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
