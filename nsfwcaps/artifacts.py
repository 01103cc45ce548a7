"""A stage's folder: atomic files, a journal for resuming, and one record.

    <workdir>/<stage>/
        *.parquet       shards, named after their content key
        *.arrow         shards of vectors, likewise
        shards.jsonl    journal: one row per finished shard; a shard without a row does not exist
        shards-*.jsonl  the same, of other writers: processes and machines that share the work
        stage.json      written last; exactly the files it lists are the stage's output

An interrupted or failed stage leaves the previous run's `stage.json` and its files untouched. Files
that the new record does not list are removed after it is written.

Several writers may make shards of one stage at a time. Each appends to a journal of its own, since
appending to one file from several machines is not safe, and only the driver, which has no name,
writes the record. It then joins the journals.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps import observers
from nsfwcaps.config import digest
from nsfwcaps.errors import ArtifactError, StorageError
from nsfwcaps.files import TEMPORARY, sha256_file, write_atomically
from nsfwcaps.journals import Journals
from nsfwcaps.tables import ARROW, arrow_bytes, ending, parquet_bytes, published_bytes

if TYPE_CHECKING:  # the command line reads records and must start fast; pyarrow imports slowly
    import pyarrow as pa

RECORD = "stage.json"
DATASET = "dataset"
"""Group of the files that are delivered to the user's folder."""
REJECTS, FLAGGED = "rejects", "flagged"
"""Groups of files that only name rows: rejected ones, and rows of the output with a flag."""
# File names written by this module: STEM-KEY.parquet or .arrow, and files in a folder KEY.
_KEYED_NAME = re.compile(r".+-[0-9a-f]{12}\.(parquet|arrow)|[0-9a-f]{12}/.+")


@dataclass(frozen=True, kw_only=True)
class OutputFile:
    """One file of a shard; `group` names its content (`safe`, `unsafe`, `rejects`, …)."""

    path: str
    group: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A journal row: input count, output files, and rejects by reason."""

    key: str
    files: tuple[OutputFile, ...]
    rows_in: int
    rows_out: int
    rejects: Mapping[str, int]
    facts: Mapping[str, Any]
    seconds: float

    def only_rejects(self) -> Shard:
        """Return the shard reduced to its rejects, after its other rows moved to later shards.

        It gets another key: with its own, a later run would take the whole shard for finished.
        """
        return dataclasses.replace(
            self,
            key=digest(["rejects", self.key]),
            files=tuple(file for file in self.files if file.group == REJECTS),
            rows_in=0,
            rows_out=0,
        )


@dataclass(frozen=True, kw_only=True)
class ShardTables:
    """A shard to write: tables by (group, file stem); the shard's key is added to their names."""

    tables: Mapping[tuple[str, str], pa.Table]
    rows_in: int
    rejects: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    mapped: Collection[str] = ()
    """Groups that are written as Arrow files, whatever they hold: files to be mapped."""


@dataclass(frozen=True, kw_only=True)
class ShardFiles:
    """A shard to write: tables (Parquet, by their paths) and bytes, by (group, relative path)."""

    contents: Mapping[tuple[str, str], pa.Table | bytes]
    rows_in: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """Result of a stage's run: the output shards and the measured facts."""

    shards: Sequence[Shard]
    facts: Mapping[str, Any] = field(default_factory=dict)
    rates: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Amount and seconds of each kind of work, for estimates of time; no part of the output."""
    kept: Sequence[Shard] = ()
    """Shards beside the output, kept for runs with other settings."""


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """A finished stage, as stored in `stage.json`."""

    stage: str
    fingerprint: str
    version: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    files: tuple[OutputFile, ...]
    rows_in: int
    rows_out: int
    rejects: Mapping[str, int]
    facts: Mapping[str, Any]
    seconds: float
    output_digest: str
    folder: Path = field(compare=False)
    rates: Mapping[str, tuple[float, float]] = field(default_factory=dict, compare=False)
    """Amount and seconds of each kind of work; older records have none."""

    def paths(self, group: str) -> list[Path]:
        """Files of a group, in order."""
        found = [self.folder / file.path for file in self.files if file.group == group]
        observers.of(self.folder).fetch(found)
        return found

    def rows(self, group: str) -> int:
        """Total rows of a group."""
        return sum(file.rows for file in self.files if file.group == group)


class StageFolder:
    """Reads and writes a stage's folder."""

    def __init__(self, path: Path, *, writer: str | None = None) -> None:
        """Open a stage's folder; `writer` names one that helps the driver, which has no name."""
        self.path, self.writer = path, writer
        self._journals = Journals(path, writer)
        self._journal: dict[str, Shard] | None = None

    def record(self) -> StageRecord | None:
        """Return the finished stage, or None if no run has finished."""
        try:
            text = (self.path / RECORD).read_bytes()
        except FileNotFoundError:
            return None
        try:
            values = json.loads(text)
            files = tuple(OutputFile(**item) for item in values.pop("files"))
            return StageRecord(**values, files=files, folder=self.path)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ArtifactError(
                f"{self.path / RECORD} is damaged; delete the folder {self.path} and run again"
            ) from None

    def damaged(self, record: StageRecord) -> str | None:
        """Return the first missing or changed file of a record, or None."""
        for file in record.files:
            if not intact(self.path / file.path, file):
                return file.path
        return None

    def prepare(self) -> None:
        """Create the folder and remove partial files of a killed run; those of other writers too.

        A writer with a name removes only its own: the others may be at work.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        own = TEMPORARY if self.writer is None else f"{TEMPORARY}{self.writer}-"
        for leftover in self.path.rglob(f"{own}*"):
            leftover.unlink(missing_ok=True)
        self.look_again()

    def look_again(self) -> None:
        """Read the journals, to which other writers may have added."""
        observers.of(self.path).refresh(self.path)
        found = self._journals.look()
        if self._journal is None or not found.new:
            self._journal = {}
        self._journal.update(_shards(found.rows))

    def tidy(self, record: StageRecord) -> None:
        """Remove leftovers of a run that was killed after writing its record."""
        written = (self.path / RECORD).stat().st_mtime_ns
        self.prepare()
        journals = self._journals.paths()
        # A run writes its journal last. A newer one may belong to a run still to be resumed.
        if journals and all(path.stat().st_mtime_ns < written for path in journals):
            self._remove_superseded(record)
            self._journals.join(map(dataclasses.asdict, self.journal_rows()))

    def refuse_foreign_pools(self, labels: Sequence[str]) -> None:
        """Refuse to replace pools that an earlier run of this stage has not written.

        Raises:
            StorageError: there are such pools.
        """
        pools = self.path.parent / "pools"
        foreign = [path for label in labels for path in (pools / label).glob("*.parquet")]
        if foreign and self.record() is None and not self.journal_rows():
            raise StorageError(
                f"{foreign[0]} was not written by {self.path.name}, which would replace the "
                f"contents of {pools}; move it away or choose another --out"
            )

    def shard(self, key: str) -> Shard | None:
        """Return the shard of a key if an earlier run finished it and its files are intact."""
        assert self._journal is not None, "call prepare() first"
        row = self._journal.get(key)
        if row and all(intact(self.path / file.path, file) for file in row.files):
            return row
        return None

    def journal_rows(self) -> list[Shard]:
        """Return all shards in the journal, intact or not, current or not."""
        assert self._journal is not None, "call prepare() first"
        return list(self._journal.values())

    def finished_shards(self) -> list[Shard]:
        """Return all shards in the journal as `journal_rows`, but change nothing."""
        return list(_shards(Journals(self.path, None).look().rows).values())

    def shard_or(self, key: str, make: Callable[[], ShardTables | ShardFiles]) -> Shard:
        """Return the shard of a key if an earlier run finished it; otherwise make and commit it."""
        return self.shard(key) or self.make_shard(key, make)

    def make_shard(self, key: str, make: Callable[[], ShardTables | ShardFiles]) -> Shard:
        """Write what `make` returns, then the journal row with the time both took."""
        started = time.monotonic()
        return self._commit(key, make(), started)

    def adopt(self, shard: Shard, contents: Mapping[str, bytes]) -> None:
        """Write a shard that was made on another machine: its files, then its journal row.

        Raises:
            StorageError: a file differs from what the row says.
        """
        for file in shard.files:
            data = contents[file.path]
            if hashlib.sha256(data).hexdigest() != file.sha256:
                raise StorageError(
                    f"{file.path} was damaged on its way; run the same command again"
                )
            write_atomically(self.path / file.path, data, tag=self.writer)
        self._add(shard)

    def move_to_end(self, key: str) -> None:
        """List a shard as the newest, if it is there: the one that was used last."""
        assert self._journal is not None, "call prepare() first"
        if (shard := self._journal.pop(key, None)) is not None:
            self._journal[key] = shard

    def discard(self, key: str) -> None:
        """Remove the files of a shard that no run needs any more."""
        assert self._journal is not None, "call prepare() first"
        shard = self._journal.pop(key, None)
        names = [file.path for file in shard.files] if shard is not None else []
        for name in names:
            (self.path / name).unlink(missing_ok=True)
        observers.of(self.path).discarded(self.path, names)

    def _commit(self, key: str, made: ShardTables | ShardFiles, started: float) -> Shard:
        if isinstance(made, ShardTables):
            contents = {
                (g, f"{stem}-{key[:12]}{ARROW if g in made.mapped else ending(t)}"): t
                for (g, stem), t in made.tables.items()
            }
        else:
            contents = dict(made.contents)
        files = [self._write(group, name, item) for (group, name), item in contents.items()]
        return self._append(key, files, made, started)

    def _append(
        self, key: str, files: Sequence[OutputFile], made: ShardTables | ShardFiles, started: float
    ) -> Shard:
        assert self._journal is not None, "call prepare() first"
        shard = Shard(
            key=key,
            files=tuple(files),
            rows_in=made.rows_in,
            rows_out=sum(file.rows for file in files if file.group not in (REJECTS, FLAGGED)),
            rejects=dict(made.rejects) if isinstance(made, ShardTables) else {},
            facts=dict(made.facts),
            seconds=round(time.monotonic() - started, 3),
        )
        self._add(shard)
        return shard

    def _add(self, shard: Shard) -> None:
        assert self._journal is not None, "call prepare() or look_again() first"
        row = dataclasses.asdict(shard)
        self._journals.add(row)
        observers.of(self.path).committed(self.path, row)
        self._journal[shard.key] = shard

    def _write(self, group: str, name: str, content: pa.Table | bytes) -> OutputFile:
        data: memoryview | bytes
        if isinstance(content, bytes):
            data, rows = content, 0
        else:
            published = published_bytes if group == DATASET else parquet_bytes
            serialise = arrow_bytes if name.endswith(ARROW) else published
            data, rows = serialise(content), content.num_rows
        write_atomically(self.path / name, data, tag=self.writer)
        return OutputFile(
            path=name,
            group=group,
            rows=rows,
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )

    def finish(
        self,
        *,
        stage: str,
        fingerprint: str,
        version: str,
        settings: Mapping[str, Any],
        inputs: Mapping[str, str],
        result: StageResult,
        seconds: float,
    ) -> StageRecord:
        """Write `stage.json`, which publishes the result, and remove superseded files."""
        files = tuple(file for shard in result.shards for file in shard.files)
        rejects: dict[str, int] = {}
        for shard in result.shards:
            for reason, count in shard.rejects.items():
                rejects[reason] = rejects.get(reason, 0) + count
        record = StageRecord(
            stage=stage,
            fingerprint=fingerprint,
            version=version,
            settings=settings,
            inputs=inputs,
            files=files,
            rows_in=sum(shard.rows_in for shard in result.shards),
            rows_out=sum(shard.rows_out for shard in result.shards),
            rejects=dict(sorted(rejects.items())),
            facts=result.facts,
            seconds=round(seconds, 3),
            output_digest=digest([[f.group, f.sha256] for f in files if f.group != REJECTS]),
            folder=self.path,
            rates=result.rates,
        )
        values = dataclasses.asdict(record)
        del values["folder"]
        text = json.dumps(values, indent=1, sort_keys=True)
        write_atomically(self.path / RECORD, text.encode() + b"\n")
        self._remove_superseded(record, result.kept)
        shards = [*result.shards, *result.kept]
        self._journals.join(map(dataclasses.asdict, shards))
        names = {file.path for shard in shards for file in shard.files}
        observers.of(self.path).finished(self.path, names)
        written = self.record()
        assert written is not None, "written above"
        return written  # re-read, so that this run and later ones see equal values

    def _remove_superseded(self, record: StageRecord, beside: Sequence[Shard] = ()) -> None:
        """Remove files of earlier runs that the record does not list, but never a user's file.

        Those of the shards `beside` the output are kept too.

        Names identify them: a kill can leave a complete file without a journal row.
        """
        kept = {file.path for file in record.files}
        kept |= {file.path for shard in beside for file in shard.files}
        known = {file.path for shard in self.journal_rows() for file in shard.files}
        # Deepest first: a folder must be empty before it is removed.
        for path in sorted(self.path.rglob("*"), reverse=True):
            name = path.relative_to(self.path).as_posix()
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()  # fails unless empty
            elif name not in kept and (name in known or is_keyed(name)):
                path.unlink()


def is_keyed(name: str) -> bool:
    """Whether a path in a stage's folder is one that this module gives to files of shards."""
    return _KEYED_NAME.fullmatch(name) is not None


def intact(path: Path, file: OutputFile) -> bool:
    """Whether a file at a path has the size and content that a record lists."""
    try:
        return path.stat().st_size == file.bytes and sha256_file(path) == file.sha256
    except FileNotFoundError:
        return observers.of(path).has(path, file.bytes, file.sha256)


def shard_of(row: Mapping[str, Any]) -> Shard:
    """Return the shard of a journal row.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: the row is damaged.
    """
    values = dict(row)
    files = tuple(OutputFile(**item) for item in values.pop("files"))
    return Shard(**values, files=files)


def _shards(rows: Iterable[Mapping[str, Any]]) -> dict[str, Shard]:
    found: dict[str, Shard] = {}
    for row in rows:
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
            shard = shard_of(row)
            found[shard.key] = shard
    return found
