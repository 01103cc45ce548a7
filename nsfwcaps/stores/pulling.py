"""Bringing a mirror up to date with its store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nsfwcaps.artifacts import RECORD, is_keyed
from nsfwcaps.files import sha256_file
from nsfwcaps.progress import Progress
from nsfwcaps.stores.mirror import Mirror, Row, row_entry
from nsfwcaps.stores.names import is_own, is_record


def pull_records(mirror: Mirror) -> None:
    """Bring records, journals and rows; what was changed here and not there stays."""
    mirror.look()
    names = [name for name in mirror.seen if is_record(name)]
    mirror.pull_all([name for name in names if _is_newer_there(mirror, name)], {})
    for stage in mirror.stages():
        mirror.write_rows(stage)
        gone = f"{stage}/{RECORD}"
        if gone not in mirror.seen and mirror.ledger.unchanged(gone, mirror.path(gone)):
            _drop(mirror, [gone])


def unpushed_rows(mirror: Mirror, stage: str, *, others: bool = False) -> list[Row]:
    """Return rows that were committed here and never reached the store, with all their files here.

    A kill between a commit and its push leaves such. `others` leaves out the driver's own.
    """
    found = {}
    for row in mirror.rows_here(stage, others=others):
        key = row.get("key")
        if mirror.ledger.entry(row_entry(stage, str(key))):
            continue
        if all(mirror.path(f"{stage}/{file['path']}").is_file() for file in row.get("files", ())):
            found[key] = row
    return list(found.values())


def unpushed_record(mirror: Mirror, stage: str) -> bool:
    """Whether a record was written here and never reached the store, with all its files here."""
    name = f"{stage}/{RECORD}"
    record = mirror.record_here(stage)
    if record is None or mirror.is_same(name):
        return False
    return all(
        mirror.path(f"{stage}/{file['path']}").is_file() or f"{stage}/{file['path']}" in mirror.seen
        for file in record.get("files", ())
    )


def pull_files(
    mirror: Mirror, progress: Progress, *, unfinished: bool = True, only: str = ""
) -> None:
    """Bring the files that records and rows name, and those of delivered folders.

    Args:
        mirror: A mirror whose records are up to date.
        progress: Shows what is done.
        unfinished: Also those that only rows name: shards of a stage that is not finished.
        only: Beginning of the names to bring.
    """
    named = _named(mirror, unfinished=unfinished)
    stages = {*mirror.stages()}
    wanted = []
    for name in mirror.seen:
        if is_own(name) or is_record(name) or not name.startswith(only):
            continue
        if name.split("/")[0] in stages and name not in named and is_keyed(name.partition("/")[2]):
            continue  # without a row it does not exist
        if _is_newer_there(mirror, name, named):
            wanted.append(name)
    if wanted:
        with progress.task("fetch", len(wanted), unit="files") as advance:
            mirror.pull_all(wanted, named, advance)


def drop_superseded(mirror: Mirror) -> None:
    """Remove files that the store had and has no more, unless they were changed here."""
    gone = [
        name
        for name in mirror.ledger.names()
        if name not in mirror.seen and mirror.ledger.unchanged(name, mirror.path(name))
    ]
    _drop(mirror, gone)


def _drop(mirror: Mirror, names: Iterable[str]) -> None:
    names = list(names)
    for name in names:
        mirror.path(name).unlink(missing_ok=True)
    mirror.ledger.forget(names)


def _named(mirror: Mirror, *, unfinished: bool) -> dict[str, str]:
    """Return the digests of all files that records and rows name, by their names."""
    found = {}
    for stage in mirror.stages():
        rows = [*(mirror.rows_here(stage) if unfinished else ()), mirror.record_here(stage) or {}]
        for row in rows:
            for file in row.get("files", ()):
                found[f"{stage}/{file['path']}"] = str(file["sha256"])
    return found


def _is_newer_there(mirror: Mirror, name: str, named: Mapping[str, str] | None = None) -> bool:
    """Whether the mirror lacks an object's content, and has none of its own to keep."""
    if mirror.is_same(name):
        return False
    path, entry, seen = mirror.path(name), mirror.ledger.entry(name), mirror.seen[name]
    if not path.is_file():
        return True
    if entry is not None and entry[2] == seen.tag:
        return False  # changed here only: pushed later
    wanted = (named or {}).get(name)
    if path.stat().st_size != seen.size or wanted is None or sha256_file(path) != wanted:
        return True
    mirror.ledger.add(name, path, seen.tag)
    return False
