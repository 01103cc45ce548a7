"""Pushing what is committed in a mirror, while the command goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nsfwcaps.artifacts import RECORD, is_keyed
from nsfwcaps.files import sha256_file
from nsfwcaps.journals import JOURNAL
from nsfwcaps.observers import Observer
from nsfwcaps.stores.claims_there import ClaimsThere
from nsfwcaps.stores.mirror import Mirror, Row
from nsfwcaps.stores.names import CLAIMS, is_journal, is_own, is_row, push_order, row_name
from nsfwcaps.stores.pulling import unpushed_rows


class Pusher(Observer):
    """Pushes shards in threads, each with its files first; waits for all before a record.

    An error of a thread is raised by the next commit.

    Args:
        mirror: Where to push from and to.
        still_ours: Raises if another driver has taken the run over; asked before records.
    """

    def __init__(self, mirror: Mirror, still_ours: Callable[[], None] = lambda: None) -> None:
        self._mirror = mirror
        self._still_ours = still_ours
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="push")
        self._under_way: list[Future[None]] = []
        self._failed: BaseException | None = None
        self._alone = threading.Lock()
        self._claims = ClaimsThere(mirror)
        self._listed = {*mirror.names("")} if mirror.root.is_dir() else set()

    def committed(self, stage: Path, row: Mapping[str, Any]) -> None:
        """Push a shard in a thread."""
        self._raise()
        folder = self._mirror.name(stage)
        with self._alone:
            self._under_way = [each for each in self._under_way if not each.done()]
            self._under_way.append(self._pool.submit(self._push_shard, folder, dict(row)))

    def discarded(self, stage: Path, names: Sequence[str]) -> None:
        """Remove a shard's files from the store too."""
        self.flush()
        folder = self._mirror.name(stage)
        self._mirror.delete(
            name for each in names if (name := f"{folder}/{each}") in self._mirror.seen
        )

    def finished(self, stage: Path, names: Collection[str]) -> None:
        """Push what a record lists, then the record and the journal; remove what they replace."""
        self.flush()
        self.push_stage(self._mirror.name(stage), names)

    def push_stage(self, folder: str, names: Collection[str]) -> None:
        """Push a stage's files, then its record and journal; remove what they replace."""
        mirror = self._mirror
        mirror.look(folder)
        kept = {f"{folder}/{name}" for name in names}
        # One that is not here was made by another writer, and is there.
        mirror.push_all(name for name in sorted(kept) if mirror.path(name).is_file())
        self._still_ours()
        mirror.push(f"{folder}/{RECORD}")
        mirror.push(f"{folder}/{JOURNAL}")
        mirror.delete(
            name
            for name in [*mirror.seen]
            if name.startswith(f"{folder}/")
            and name not in kept
            and (is_row(name) or is_keyed(name.partition("/")[2]))
        )

    def tidy(self, folder: str) -> None:
        """Remove what a command was killed before removing, after it had pushed a record.

        That is older than the record: newer rows belong to a run that is still to be finished.
        """
        mirror = self._mirror
        record, journal = f"{folder}/{RECORD}", f"{folder}/{JOURNAL}"
        if not mirror.is_same(record):
            return
        end = mirror.seen[record].at
        inside = [name for name in mirror.seen if name.startswith(f"{folder}/")]
        rows = [name for name in inside if is_row(name) and mirror.seen[name].at <= end]
        complete = journal in mirror.seen and mirror.seen[journal].at >= end
        if complete and not rows:
            return
        if not complete:
            mirror.join_rows(folder)
            mirror.push(journal)
        mirror.delete(rows)
        newer = mirror.write_rows(folder)
        named = {f["path"] for row in newer for f in row["files"]} | mirror.kept_files(folder)
        mirror.delete(
            name
            for name in inside
            if is_keyed(path := name.partition("/")[2])
            and path not in named
            and mirror.seen[name].at <= end
        )

    def delivered(self, folder: Path) -> None:
        """Push a delivered folder, and remove from the store what was removed from it."""
        self.flush()
        self._still_ours()
        self.push_changed(self._mirror.name(folder))

    def wrote(self, path: Path) -> None:
        """Push one file, after the shards that it may speak of."""
        self.flush()
        self._still_ours()
        self._mirror.push(self._mirror.name(path))

    def push_changed(self, prefix: str = "") -> None:
        """Push all files below a folder that differ from the store's, except rows and records.

        What this command removed is removed from the store.
        """
        mirror = self._mirror
        here = {*mirror.names(prefix)}
        loose = [
            name
            for name in sorted(here, key=push_order)
            if not is_own(name) and not is_journal(name) and not name.endswith(f"/{RECORD}")
        ]
        changed = [name for name in loose if not mirror.is_same(name)]
        mirror.push_all(name for name in changed if push_order(name)[0] == 0)
        for name in changed:
            mirror.push(name)
        start = f"{prefix}/" if prefix else ""
        with self._alone:
            gone = {name for name in self._listed - here if name.startswith(start)}
            self._listed = (self._listed - gone) | here
        mirror.delete(name for name in gone if name in mirror.seen and not is_journal(name))

    def push_rows(self, folder: str, rows: Iterable[Row]) -> None:
        """Push shards whose push did not happen in an earlier command."""
        for row in rows:
            self._push_shard(folder, row)

    def push_others(self) -> None:
        """Push the shards that other processes of this machine have committed in the mirror."""
        for folder in self._mirror.stages():
            self.push_rows(folder, unpushed_rows(self._mirror, folder, others=True))

    def flush(self) -> None:
        """Wait until all that was committed is on the store.

        Raises:
            StorageError: a push has failed.
        """
        with self._alone:
            waiting = list(self._under_way)
        for each in waiting:
            each.exception()
        self._raise()

    def close(self) -> None:
        """End the threads; what they have begun is finished."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def has(self, path: Path, size: int, sha256: str) -> bool:
        """Bring a file of another writer, if the store has it."""
        name = self._mirror.name(path)
        seen = self._mirror.seen.get(name)
        if seen is None or seen.size != size:
            return False
        self._mirror.pull(name)
        return sha256_file(path) == sha256

    def fetch(self, paths: Sequence[Path]) -> None:
        """Bring the files that are on the store only."""
        names = [self._mirror.name(path) for path in paths if not path.exists()]
        self._mirror.pull_all([name for name in names if name in self._mirror.seen], {})

    def refresh(self, stage: Path) -> None:
        """Bring the rows of other writers, or the claims of other parts."""
        folder = self._mirror.name(stage)
        if folder == CLAIMS:
            self._claims.refresh()
            return
        self._mirror.look(folder)
        self._mirror.write_rows(folder)

    def _push_shard(self, folder: str, row: Row) -> None:
        try:
            for file in row["files"]:
                self._mirror.push(f"{folder}/{file['path']}")
            self._mirror.push_row(row_name(folder, row["key"]), row)
        except BaseException as error:
            self._failed = self._failed or error
            raise

    def _raise(self) -> None:
        if self._failed is not None:
            raise self._failed


class Looker(Observer):
    """Follows a mirror for commands that only read: a file counts as there if the store has it."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._claims = ClaimsThere(mirror)

    def refresh(self, stage: Path) -> None:
        """Bring the claims of parts."""
        if self._mirror.name(stage) == CLAIMS:
            self._claims.refresh()

    def has(self, path: Path, size: int, sha256: str) -> bool:
        """Whether the store has the file, by its size; one of another size is brought."""
        name = self._mirror.name(path)
        seen = self._mirror.seen.get(name)
        if seen is not None and seen.size != size:
            self._mirror.pull(name)
        return seen is not None and seen.size == size

    def fetch(self, paths: Sequence[Path]) -> None:
        """Bring the files that are on the store only."""
        names = [self._mirror.name(path) for path in paths if not path.exists()]
        self._mirror.pull_all([name for name in names if name in self._mirror.seen], {})
