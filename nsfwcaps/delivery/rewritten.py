"""Files that a command writes again into a folder of the user, such as a report.

`.written.json` there remembers their contents. A file with another one is the user's work: it is
kept beside, and said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from nsfwcaps.delivery import contents, hand_made
from nsfwcaps.files import write_atomically

LEDGER = ".written.json"


def rewrite(folder: Path, name: str, data: bytes) -> list[str]:
    """Write a file of a folder; return a line if an edited one was kept.

    A file that is not listed, of an earlier version or another program, is kept if it differs.
    """
    wanted, listed = hashlib.sha256(data).hexdigest(), _read(folder)
    known = listed.get(name, [])
    path, notes = folder / name, []
    found = contents.sha256(path)
    if found == wanted and known[:1] == [wanted]:
        return []
    if contents.is_edited(path, [*known, wanted]):
        kept = hand_made.keep(folder, name).relative_to(folder).as_posix()
        notes.append(f"{folder.name}/{name} {_edited(known)}: kept as {folder.name}/{kept}")
    # First, with the content before: after a kill, either of them is known.
    listed[name] = list(dict.fromkeys([wanted, *known]))[:2]
    write_atomically(folder / LEDGER, json.dumps(listed, indent=1, sort_keys=True).encode() + b"\n")
    write_atomically(path, data)
    return notes


def remove(folder: Path, name: str) -> list[str]:
    """Remove a file that is no longer written; return a line if it is kept under another name."""
    notes, known = [], _read(folder).get(name, [])
    if contents.is_edited(folder / name, known):
        kept = hand_made.keep(folder, name).relative_to(folder).as_posix()
        notes.append(
            f"{folder.name}/{name} is no longer written, and {_edited(known)}: kept as "
            f"{folder.name}/{kept}"
        )
    (folder / name).unlink(missing_ok=True)
    return notes


def _edited(known: Sequence[str]) -> str:
    return "was edited" if known else "was not written by this version, or was edited"


def _read(folder: Path) -> dict[str, list[str]]:
    try:
        values = json.loads((folder / LEDGER).read_bytes())
        return {str(name): [str(sha) for sha in known] for name, known in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
