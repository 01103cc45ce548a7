"""Atomic delivery of an exported folder, which keeps edited files and refuses foreign ones."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nsfwcaps.delivery import contents, hand_made, own_section
from nsfwcaps.delivery.modes import follow_umask
from nsfwcaps.errors import StorageError

RECORD = "export.json"
"""Describes the export and lists its files."""
_BEFORE = "-before"


@contextmanager
def delivered(folder: Path, notes: list[str]) -> Iterator[Path]:
    """Yield an empty folder to write into; on success it replaces the target.

    Files of an earlier export that were edited are kept in it under other names, and so is the
    user's section of a card; `notes` gets a line for each.

    Raises:
        StorageError: the target contains files that no export has written, or it cannot be
            created.
    """
    target = folder.absolute()
    _recover(target)
    _check(target)
    temporary = target.with_name(f".part-{target.name}-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
    except FileNotFoundError:  # for example in /proc
        raise StorageError(f"{target}: cannot create this folder; choose another --out") from None
    try:
        yield temporary
        follow_umask(temporary)
        notes += _keep_edited(target, temporary)
        _flush(temporary)
        _replace(target, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_record(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the record of all files in a folder with their digests, last."""
    names = sorted(path.relative_to(folder).as_posix() for path in _files(folder))
    digests = {name: contents.sha256(folder / name) for name in names}
    with (folder / RECORD).open("w") as file:  # in pieces: an export may hold a million images
        json.dump({**facts, "files": names, "contents": digests}, file, indent=1)
        file.write("\n")


def _recover(target: Path) -> None:
    """Put back what an export that was killed between its two renames had moved away."""
    if target.exists():
        return
    found = sorted(target.parent.glob(f".part-{target.name}-*{_BEFORE}"))
    if found:
        found[-1].rename(target)


def _check(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise StorageError(f"{target} is a file; choose another --out")
    known = {RECORD, *_recorded(target)}
    names = [path.relative_to(target).as_posix() for path in _files(target)]
    other = [name for name in names if name not in known and not hand_made.is_kept(name)]
    if other:
        raise StorageError(
            f"{target} contains files that no export has written (such as {Path(other[0]).name}) "
            "and that exporting would remove; choose another --out"
        )


def _recorded(target: Path) -> dict[str, str | None]:
    """Return the digests of the files of the export in a folder; None if it has none of them."""
    try:
        values = json.loads((target / RECORD).read_bytes())
        digests = values.get("contents", {})
        return {str(name): digests.get(name) for name in values["files"]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _keep_edited(target: Path, new: Path) -> list[str]:
    """Put into the new folder edited files of the old one, and the user's section of its cards."""
    if not target.is_dir():
        return []
    for path in _files(target):
        name = path.relative_to(target)
        if hand_made.is_kept(name.as_posix()):
            hand_made.also(path, new / name)
    return [
        note for name, sha in _recorded(target).items() for note in _kept(target, new, name, sha)
    ]


def _kept(target: Path, new: Path, name: str, sha: str | None) -> Iterator[str]:
    path, place = target / name, new / name
    own = contents.own_part(path)
    if own is not None and contents.own_part(place) is None and place.is_file():
        card = place.read_text(encoding="utf-8")
        if own_section.EMPTY in card:
            text = own_section.fill(card, own)
            place.write_text(text, encoding="utf-8", errors="surrogateescape")
            yield f"{target.name}/{name}: your notes at its end were carried over"
    known = {item for item in (sha, contents.sha256(place)) if item is not None}
    if sha is None and path.suffix != contents.CARD:  # by an earlier version, without digests
        return
    if contents.is_edited(path, known):
        kept = hand_made.keep(target, name, into=new)
        shown = f"{target.name}/{kept.relative_to(new).as_posix()}"
        yield f"{target.name}/{name} was edited: kept as {shown}, beside the new one"


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, in the order of their names in each folder."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(place, name)


def _flush(folder: Path) -> None:
    """Flush all files to disk before the rename makes them visible."""
    for path in (*_files(folder), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _replace(target: Path, temporary: Path) -> None:
    before = temporary.with_name(f"{temporary.name}{_BEFORE}")
    if target.exists():
        target.rename(before)
    try:
        temporary.rename(target)
    except OSError:
        if before.exists():
            before.rename(target)
        raise
    shutil.rmtree(before, ignore_errors=True)
