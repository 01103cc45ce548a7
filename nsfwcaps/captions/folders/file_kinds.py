"""Kinds of data files; files of one pool are of one kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from nsfwcaps.captions.readers import COMPRESSED, READERS, ending_of
from nsfwcaps.errors import InputError

SIDECARS = "captions beside images"
_METADATA = re.compile(r"metadata\.(jsonl|csv|parquet)\Z", re.IGNORECASE)


def kind_of_file(name: str, ending: str, images: bool) -> str:
    """Return the kind of a data file; a folder of images has metadata files of its own kinds."""
    file = name.rpartition("/")[2]
    if images and _METADATA.fullmatch(file):
        return file.lower()
    if ".token." in file.lower() and ending == ".txt":
        return ".lemma.token.txt" if ".lemma." in file.lower() else ".token.txt"
    return {".ndjson": ".jsonl", ".tgz": ".tar"}.get(ending, ending)


def check_kinds(where: str, kinds: Mapping[str, str]) -> None:
    """Check that the files of a folder are of one kind, given the kind of each name.

    Raises:
        InputError: there are several kinds; the message has the address of each.
    """
    by_kind: dict[str, list[str]] = {}
    for name, kind in sorted(kinds.items(), key=lambda item: item[1]):
        by_kind.setdefault(kind, []).append(name)
    if len(by_kind) < 2:
        return
    tables = [name for name, kind in kinds.items() if kind != SIDECARS]
    ways = [_way(where, kind, names, tables) for kind, names in by_kind.items()]
    raise InputError(
        f"{where}: several kinds of data in one folder: {_listed(by_kind)}; "
        f"name one of them: {' or '.join(ways)}"
    )


def check_matches(where: str, names: Sequence[str]) -> None:
    """Check that the files that a pattern matches are of one kind.

    Raises:
        InputError: there are several kinds.
    """
    by_kind: dict[str, list[str]] = {}
    for name in sorted(names, key=ending_of):
        by_kind.setdefault(kind_of_file(name, ending_of(name), images=False), []).append(name)
    if len(by_kind) < 2:
        return
    ways = " or ".join(f"'*{kind}'" for kind in by_kind if ending_of(kind) in READERS)
    raise InputError(
        f"{where}: several kinds of data match: {_listed(by_kind)}; end the pattern with "
        f"{ways or 'one of them'}, or name the folder"
    )


def _listed(by_kind: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(f"{kind} ({len(names)})" for kind, names in by_kind.items())


def _way(where: str, kind: str, names: Sequence[str], tables: Sequence[str]) -> str:
    """The address that is the files of one kind, beside tables of other kinds."""
    if kind == SIDECARS:
        folders = topmost(names)
        if any(table.startswith(folder) for folder in folders for table in tables):
            return f"'{where}/{folders[0]}' after moving the other files out of it"
        return f"'{where}/{folders[0] if len(folders) == 1 else '*/'}'"
    if len(names) == 1:
        return f"'{where}/{names[0]}'"
    bases = {name.rpartition("/")[0] for name in names}
    inside = f"{bases.pop()}/" if len(bases) == 1 else "**/"
    packed = "*" if any(name.lower().endswith(COMPRESSED) for name in names) else ""
    return f"'{where}/{inside.removeprefix('/')}*{kind}{packed}'"


def topmost(names: Iterable[str]) -> list[str]:
    """Return names without those inside a folder that is named too."""

    def walk() -> Iterator[str]:
        folders: list[str] = []
        for name in sorted({*names}):
            if not any(name.startswith(folder) for folder in folders):
                yield name
                if name.endswith("/") or not name:
                    folders.append(name)

    return list(walk())
