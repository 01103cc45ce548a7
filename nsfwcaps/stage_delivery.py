"""Delivery of a stage's files to the user's folder, such as `RUN/dataset`, under final names.

`RUN/<stage>/delivered.json` remembers the content of what was delivered. Another content at a path
is the user's work: it is kept beside, and said. So the list is written before the first file, with
the old and the new content, and after the last one: a kill leaves no file that looks hand-made.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsfwcaps import observers
from nsfwcaps.artifacts import DATASET, OutputFile, StageRecord
from nsfwcaps.delivery import contents, hand_made, own_section
from nsfwcaps.delivery.copying import copy
from nsfwcaps.files import write_atomically

LEDGER = "delivered.json"
_OPTIONS = {"license": "--license", "pretty_name": "--title"}
"""Options that set a line of a card's front matter."""
_MOST_NAMED = 3


@dataclass(frozen=True)
class Listed:
    """What was delivered last, as stored in `delivered.json`."""

    output: str | None
    """Digest of the output; None without one."""
    title: str
    files: Mapping[str, list[str]]
    """Digests that a file may have, by its path in the folder: several during a delivery."""
    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What a delivery did."""

    notes: tuple[str, ...]
    """A line for each file of the user that it kept or found."""
    new: bool
    """Whether the output was not delivered before."""
    replaced: tuple[str, ...] = ()
    """A line on the other output that was delivered before."""


def remember(record: StageRecord, title: str) -> None:
    """List what a run of an older version has delivered, before another run replaces it."""
    if not (record.folder / LEDGER).exists():
        files = {name: [file.sha256] for name, file in _delivered(record).items()}
        if files:
            _write(record.folder, Listed(record.output_digest, title, files))


def deliver(record: StageRecord, target: Path, owned: Sequence[str], title: str) -> Delivery:
    """Deliver a record's `dataset` files to a folder under their final names, as copies.

    Files that an earlier run delivered and the record does not list are removed, with folders that
    become empty. Whatever was edited is kept. Parquet files of others in the `owned` subfolders
    stay, and are named. `title` says what the output is, for the run that replaces it. Idempotent.
    """
    listed = _read(record.folder)
    before = listed.files
    new = _delivered(record)
    known = {
        name: sorted({*before.get(name, ()), *([new[name].sha256] if name in new else [])})
        for name in {**before, **new}
    }
    done = {name: [file.sha256] for name, file in new.items()}
    if not known:
        return Delivery(notes=(), new=False)
    if before != done:
        # The output and title stay those that users had, until the delivery is complete.
        _write(record.folder, Listed(listed.output, listed.title, known, complete=False))
    notes = [note for name in new for note in _put(record, target, name, known[name])]
    for name in sorted({*before} - {*new}):
        notes += _withdraw(target, name, known[name])
    for folder in owned:
        notes += _foreign(target, folder, new)
    observers.of(target).delivered(target)
    now = Listed(record.output_digest, title, done)
    if listed != now:
        _write(record.folder, now)
    is_new = listed.output != now.output
    replaced = is_new and listed.output is not None and listed.title
    return Delivery(
        notes=tuple(notes),
        new=is_new,
        replaced=(f"replaces {target.name} of an earlier run: {listed.title}",) if replaced else (),
    )


@dataclass(frozen=True, kw_only=True)
class Found:
    """The files of the last delivery that are in the target."""

    output: str
    """Digest of the delivered output."""
    paths: Sequence[Path]
    whole: bool
    """Whether all are there as they were delivered."""


def delivered_files(folder: Path, target: Path, part: str) -> Found | None:
    """Find the files of the last delivery in a subfolder of the target.

    None without a list of them, or if a kill has left those of two runs there.
    """
    listed = _read(folder)
    if listed.output is None or not listed.complete:
        return None
    files = {
        target / name: known
        for name, known in listed.files.items()
        if Path(name).parent == Path(part)
    }
    return Found(
        output=listed.output,
        paths=[path for path in files if path.is_file()],
        whole=all(contents.sha256(path) in known for path, known in files.items()),
    )


def undelivered(record: StageRecord, target: Path) -> list[str]:
    """Say how the user's folder differs from a stage's output: files that lack or were edited."""
    known, new = _read(record.folder).files, _delivered(record)
    lacking: list[str] = []
    older: list[str] = []
    edited: list[str] = []
    for name, file in new.items():
        found = _content(target / name, file)
        if found is None:
            lacking.append(name)
        elif found != file.sha256:
            (older if found in known.get(name, ()) else edited).append(name)
    rest = [name for name in {*known} - {*new} if contents.sha256(target / name) in known[name]]
    lines = []
    if lacking:
        lines.append(f"{target.name}/ lacks {_counted(lacking)}: rerun to deliver")
    if older or rest:
        what = _counted([*older, *rest])
        lines.append(f"{target.name}/ has {what} of the run before: rerun to deliver the new ones")
    shown = ", ".join(f"{target.name}/{name}" for name in edited[:_MOST_NAMED])
    if edited:
        more = f" and {len(edited) - _MOST_NAMED:,} more" if len(edited) > _MOST_NAMED else ""
        verb = "was" if len(edited) == 1 else "were"
        lines.append(f"{shown}{more} {verb} edited: a rerun keeps that beside the new one")
    return lines


def _content(path: Path, file: OutputFile) -> str | None:
    """Return the digest of a delivered file, which may be only on the store that the run is on."""
    if (found := contents.sha256(path)) is not None:
        return found
    there = observers.of(path).has(path, file.bytes, file.sha256)
    return file.sha256 if there else contents.sha256(path)


def _counted(names: Sequence[str]) -> str:
    return f"{len(names):,} {'file' if len(names) == 1 else 'files'}"


def _delivered(record: StageRecord) -> dict[str, OutputFile]:
    """Return the files to deliver, by their paths in the target."""
    return {
        Path(*Path(file.path).parts[1:]).as_posix(): file
        for file in record.files
        if file.group == DATASET
    }


def _put(record: StageRecord, target: Path, name: str, known: Sequence[str]) -> list[str]:
    """Bring one file up to date; return lines on what was kept of an edited one."""
    file = _delivered(record)[name]
    source, path, notes = record.folder / file.path, target / name, []
    own, found = contents.own_part(path), contents.sha256(path)
    # Earlier versions linked the file, so that an edit changed the stage's own.
    if found == file.sha256 and not path.samefile(source):
        return []
    card = None if own is None else source.read_text(encoding="utf-8")
    if contents.is_edited(path, known) or (card and own_section.EMPTY not in card):
        place = hand_made.keep(target, name)
        notes.append(_kept(target, name, place, source))
    if own is None or card is None or own_section.EMPTY not in card:
        copy(source, path)
        return notes
    write_atomically(path, own_section.fill(card, own).encode(errors="surrogateescape"))
    return [*notes, f"{target.name}/{name} is new; your notes at its end were carried over"]


def _kept(target: Path, name: str, place: Path, source: Path) -> str:
    shown = f"{target.name}/{place.relative_to(target).as_posix()}"
    line = f"{target.name}/{name} was edited: kept as {shown}, beside the new one"
    if options := [_OPTIONS[key] for key in contents.lost_keys(place, source) if key in _OPTIONS]:
        line += f"; {' and '.join(options)} can set what differs in its head"
    elif place.suffix == contents.CARD and own_section.EMPTY in source.read_text("utf-8"):
        line += "; only text between the two comments at its end is carried over"
    return line


def _withdraw(target: Path, name: str, known: Sequence[str]) -> list[str]:
    """Remove a file that is no longer part of the output; return a line if it is kept."""
    path, notes = target / name, []
    if contents.sha256(path) is None:
        return []
    if contents.is_edited(path, known) or contents.own_part(path) is not None:
        place = hand_made.keep(target, name)
        shown = f"{target.name}/{place.relative_to(target).as_posix()}"
        notes.append(
            f"{target.name}/{name} was edited, and no new file replaces it: kept as {shown}"
        )
    _withdraw_file(path)
    for folder in path.relative_to(target).parents:
        if folder.parts:
            with contextlib.suppress(OSError):
                (target / folder).rmdir()  # fails unless empty
    return notes


def _withdraw_file(path: Path) -> None:
    if path.is_file() or path.is_symlink():
        path.unlink()


def _foreign(target: Path, folder: str, new: Mapping[str, OutputFile]) -> list[str]:
    """Name Parquet files that nsfwcaps did not write, where they are loaded with its own."""
    found = sorted(
        path.relative_to(target).as_posix() for path in (target / folder).glob("*.parquet")
    )
    return [
        f"{target.name}/{name} is not of this run, but is loaded with its files; it was left there"
        for name in found
        if name not in new
    ]


def _read(folder: Path) -> Listed:
    try:
        values = json.loads((folder / LEDGER).read_bytes())
        files = {str(name): [str(sha) for sha in known] for name, known in values["files"].items()}
        return Listed(values["output"], values["title"], files, complete=values["complete"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return Listed(None, "", {})


def _write(folder: Path, listed: Listed) -> None:
    text = json.dumps(dataclasses.asdict(listed), indent=1, sort_keys=True)
    write_atomically(folder / LEDGER, text.encode() + b"\n")
    observers.of(folder).wrote(folder / LEDGER)
