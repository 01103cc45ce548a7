"""The mirror of a run: a folder on this machine, and the store that it follows."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256 as sha256_of
from pathlib import Path
from typing import Any

from nsfwcaps.artifacts import RECORD
from nsfwcaps.errors import StorageError
from nsfwcaps.files import JsonLines, sha256_file
from nsfwcaps.journals import JOURNAL
from nsfwcaps.stores import address as addresses
from nsfwcaps.stores.ledger import Ledger
from nsfwcaps.stores.names import OTHERS, ROWS, is_record, is_row
from nsfwcaps.stores.store import Seen, Store

THREADS = 8
"""Objects that are pulled or pushed at a time."""

Row = dict[str, Any]
Advance = Callable[[int], None]


class Mirror:
    """A run's folder here, what the store was last seen to have, and moving files between them.

    Names are relative to the run, with slashes. Any thread may call it.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.root = addresses.mirror_of(store.address)
        self.state = state_of(store.address)
        self.ledger = Ledger(self.state / "ledger.jsonl")
        self.seen: dict[str, Seen] = {}
        self._alone = threading.Lock()

    def path(self, name: str) -> Path:
        """Return the path of a name in the mirror."""
        return self.root.joinpath(*name.split("/"))

    def name(self, path: Path) -> str:
        """Return the name of a path in the mirror."""
        return path.relative_to(self.root).as_posix()

    def look(self, prefix: str = "") -> None:
        """Learn what the store has below a folder."""
        found = self.store.listed(prefix)
        with self._alone:
            start = f"{prefix}/" if prefix else ""
            others = {n: seen for n, seen in self.seen.items() if start and not n.startswith(start)}
            self.seen = {**others, **found}

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of all files in a folder of the mirror."""
        folder = self.path(prefix) if prefix else self.root
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield self.name(path)

    def is_same(self, name: str) -> bool:
        """Whether file and object are as they were when they were the same."""
        entry, seen = self.ledger.entry(name), self.seen.get(name)
        return (
            seen is not None
            and entry is not None
            and entry[2] == seen.tag
            and self.ledger.unchanged(name, self.path(name))
        )

    def push(self, name: str) -> None:
        """Write a file to the store, unless it is there; one that was removed meanwhile is left."""
        if self.is_same(name):
            return
        path = self.path(name)
        with contextlib.suppress(FileNotFoundError):
            path.stat()
            if is_record(name):
                self.store.write(name, self._for_store(path.read_bytes()))
                seen = self.store.seen(name)
            else:
                seen = self.store.put(path, name)
            with self._alone:
                self.seen[name] = seen
            self._note(name, path, seen)

    def push_all(self, names: Iterable[str]) -> None:
        """Push files, several at a time; raise the first error."""
        _each(self.push, list(names))

    def push_row(self, name: str, row: Row) -> None:
        """Write a row to the store under a name."""
        data = json.dumps(row, sort_keys=True).encode() + b"\n"
        self.store.write(name, self._for_store(data))
        self.ledger.add_rows([row_entry(name.split("/")[0], row["key"])])

    def pull(self, name: str, sha256: str | None = None) -> None:
        """Write an object to the mirror, whole or not at all.

        Raises:
            StorageError: it has another content than a record says.
        """
        path = self.path(name)
        temporary = self.state / "pulling" / uuid.uuid4().hex
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.store.get(name, temporary)
            if is_record(name):
                temporary.write_bytes(self._for_mirror(temporary.read_bytes()))
            if sha256 is not None and sha256_file(temporary) != sha256:
                raise StorageError(
                    f"{self.store.address}/{name}: another content than its record says; delete "
                    "the object, and run the same command again"
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        seen = self.seen.get(name)
        if seen is not None:
            self._note(name, path, seen)

    def _note(self, name: str, path: Path, seen: Seen) -> None:
        self.ledger.add(name, path, seen.tag)
        stage, _, file = name.partition("/")
        if file == JOURNAL:
            self.ledger.add_rows(row_entry(stage, row["key"]) for row in JsonLines(path).rows())

    def _for_store(self, data: bytes) -> bytes:
        """Return a record or journal with addresses where it names mirrors.

        Settings name folders of the run itself, such as pools that an earlier stage delivers, and
        of other runs.
        """
        for start, address in addresses.starts():
            data = data.replace(_quoted(start), _quoted(address))
        return data

    def _for_mirror(self, data: bytes) -> bytes:
        return data.replace(_quoted(f"{self.store.address}/"), _quoted(f"{self.root}/"))

    def pull_all(
        self, names: Sequence[str], digests: dict[str, str], advance: Advance = lambda n: None
    ) -> None:
        """Pull objects, several at a time; raise the first error."""

        def one(name: str) -> None:
            self.pull(name, digests.get(name))
            advance(1)

        _each(one, names)

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects from the store."""
        gone = list(names)
        self.store.delete(gone)
        with self._alone:
            for name in gone:
                self.seen.pop(name, None)
        self.ledger.forget(gone)

    def rows_there(self, stage: str) -> list[Row]:
        """Return the single rows that the store has of a stage, by time."""
        names = sorted(n for n in self.seen if is_row(n) and n.startswith(f"{stage}/"))
        found: list[Row | None] = [None] * len(names)

        def read(at: int) -> None:
            with contextlib.suppress(ValueError, TypeError):
                data = self.store.read(names[at]) or b""
                found[at] = json.loads(self._for_mirror(data))

        _each(read, range(len(names)))
        return [row for row in found if row is not None]

    def write_rows(self, stage: str) -> list[Row]:
        """Write the rows of other mirrors to a journal of the stage; return all rows there."""
        rows = self.rows_there(stage)
        path = self.path(f"{stage}/{OTHERS}")
        known = {row["key"] for row in JsonLines(path).rows()}
        if {row["key"] for row in rows} != known:
            JsonLines(path, sort_keys=True, tag=uuid.uuid4().hex[:8]).replace(rows)
        self.ledger.add_rows(row_entry(stage, row["key"]) for row in rows)
        return rows

    def rows_here(self, stage: str, *, others: bool = False) -> list[Row]:
        """Return the rows of all journals of a stage in the mirror, that of the driver first.

        `others` leaves out the driver's.
        """
        own = [] if others else [self.path(f"{stage}/{JOURNAL}")]
        found = sorted(self.path(stage).glob("shards-*.jsonl"))
        return [row for path in (*own, *found) for row in JsonLines(path).rows()]

    def join_rows(self, stage: str) -> None:
        """Write the driver's journal from the rows of all journals that its record lists."""
        listed = {file["path"] for file in (self.record_here(stage) or {}).get("files", ())}
        rows = {
            row["key"]: row
            for row in self.rows_here(stage)
            if listed.issuperset(file["path"] for file in row["files"])
        }
        JsonLines(self.path(f"{stage}/{JOURNAL}"), sort_keys=True).replace(rows.values())

    def kept_files(self, stage: str) -> set[str]:
        """Return the files that the record or the driver's journal of a stage names."""
        rows = [*JsonLines(self.path(f"{stage}/{JOURNAL}")).rows(), self.record_here(stage) or {}]
        return {file["path"] for row in rows for file in row.get("files", ())}

    def record_here(self, stage: str) -> Row | None:
        """Return a stage's record in the mirror; None without one that can be read."""
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self.path(f"{stage}/{RECORD}").read_bytes())
            if isinstance(found, dict):
                return found
        return None

    def stages(self) -> list[str]:
        """Return the folders that have a record, a journal or rows, here or on the store."""
        here = {path.parent.name for path in self.root.glob(f"*/{RECORD}")}
        here |= {path.parent.name for path in self.root.glob("*/shards*.jsonl")}
        there = {
            name.split("/")[0]
            for name in self.seen
            if is_row(name) or (name.count("/") == 1 and name.endswith((RECORD, JOURNAL)))
        }
        return sorted(here | there)


def _quoted(text: str) -> bytes:
    """Return a text as it is within a JSON string."""
    return json.dumps(text)[1:-1].encode()


def row_entry(stage: str, key: str) -> str:
    """Name of a row in the ledger."""
    return f"{stage}/{ROWS}/{key}"


def state_of(address: str) -> Path:
    """Return the folder of what a mirror knows of itself, beside all mirrors."""
    return addresses.mirrors() / ".state" / sha256_of(address.encode()).hexdigest()[:16]


def _each(do: Callable[[Any], None], items: Sequence[Any]) -> None:
    if len(items) < 2:
        for item in items:
            do(item)
        return
    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(do, item) for item in items]
        try:
            for future in futures:
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            raise
