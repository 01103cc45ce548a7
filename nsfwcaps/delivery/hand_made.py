"""Keeping a file that was edited by hand, beside the one that takes its place.

A Parquet or Arrow file goes to the folder `kept`, under a name that no tool loads as data:
`data/train-0.parquet` becomes `kept/data/train-0.parquet.edited`. Another file stays where it is:
`README.md` becomes `README.edited.md`, the next one `README.edited-2.md`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from nsfwcaps.delivery.copying import copy
from nsfwcaps.files import sha256_file

KEPT = "kept"
_DATA = (".parquet", ".arrow")


def keep(folder: Path, name: str, *, into: Path | None = None) -> Path:
    """Keep a file of a folder under another name too, there or in another folder; return its path.

    The file stays under its own name until another replaces it, so a kill loses nothing. If
    the same content was kept before, nothing is added.
    """
    path = folder / name
    for place in _places(into or folder, Path(name)):
        if not os.path.lexists(place):
            also(path, place)
            return place
        if path.is_file() and place.is_file() and _same(path, place):
            return place
    raise AssertionError("places never end")


def is_kept(name: str) -> bool:
    """Whether a name, relative to its folder, is one that `keep` gives.

    >>> is_kept("README.edited.md"), is_kept("kept/data/a.parquet.edited"), is_kept("README.md")
    (True, True, False)
    """
    path = Path(name)
    marked = path.suffixes[-2:-1] or path.suffixes
    return path.parts[0] == KEPT or any(
        item == ".edited" or item.startswith(".edited-") for item in (*marked, path.suffix)
    )


def _places(folder: Path, name: Path) -> Iterator[Path]:
    """Yield the paths to try, first to last."""
    number = 1
    while True:
        mark = ".edited" if number == 1 else f".edited-{number}"
        if name.suffix in _DATA:
            yield folder / KEPT / name.with_name(f"{name.name}{mark}")
        else:
            yield folder / name.with_name(f"{name.stem}{mark}{name.suffix}")
        number += 1


def also(path: Path, place: Path) -> None:
    """Give a file another name: a link where the file system has them, else a copy."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        path.rename(place)
        return
    try:
        os.link(path, place, follow_symlinks=False)
    except (OSError, NotImplementedError):
        copy(path, place)


def _same(one: Path, other: Path) -> bool:
    if one.samefile(other):
        return True
    return one.stat().st_size == other.stat().st_size and sha256_file(one) == sha256_file(other)
