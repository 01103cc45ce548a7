"""NAME=VALUE options: unique names that are also valid file names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from nsfwcaps.errors import ConfigError

_NAME = re.compile(r"[\w][\w.+-]*", re.ASCII)
_OTHER = re.compile(r"[^\w.+-]+", re.ASCII)
_GENERIC = ("dataset", "data", "model")
"""Last path parts that are the same for every run's folder."""


def named(option: str, given: Sequence[str]) -> list[tuple[str, str]]:
    """Split each into name and value; without a name, the last part of the path is the name.

    >>> named("--model", ["base=mini", "runs/safer", "open_clip:ViT-B-32/openai"])
    [('base', 'mini'), ('safer', 'runs/safer'), ('openai', 'open_clip:ViT-B-32/openai')]

    Raises:
        ConfigError: a name is not a valid file name, or occurs twice.
    """
    pairs = [_split(item) for item in given]
    for name, value in pairs:
        if not value:
            raise ConfigError(f"{option}: the value is empty; write {option} NAME=VALUE")
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{option}: invalid name '{name}'; use letters, digits, '.', '-', '_' and '+'"
            )
    names = [name.casefold() for name, _ in pairs]  # some file systems ignore case
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ConfigError(
                f"{option}: the name '{pairs[number][0]}' occurs twice; give another with "
                f"{option} NAME={pairs[number][1]}"
            )
    return pairs


def name_of(item: str) -> str | None:
    """Return the name in NAME=VALUE; None for a value alone."""
    name, sign, _ = item.partition("=")
    # An equals sign after a slash or a colon belongs to the path.
    return name if sign and not set("/:\\") & set(name) else None


def files_of_sets(option: str, given: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return the file of each classification set that has one.

    A file without a name applies to all sets that have none.

    Raises:
        ConfigError: a file belongs to no set, or two apply to all.
    """
    of_all = [item for item in given if item.partition("=")[0] not in names]
    if of_all and not names:
        raise ConfigError(f"{option} needs a classification set; add --zeroshot")
    for item in of_all:
        unknown = name_of(item)
        if unknown is not None and not Path(item).exists():
            raise ConfigError(f"{option}: no set named {unknown}; sets: {', '.join(names)}")
    if len(of_all) > 1:
        raise ConfigError(
            f"{option}: '{of_all[1]}' matches none of the --zeroshot sets ({', '.join(names)}); "
            f"write {option} NAME=FILE"
        )
    files = dict.fromkeys(names, of_all[0]) if of_all else {}
    for item in given:
        name, _, file = item.partition("=")
        if name in names:
            if not file:
                raise ConfigError(f"{option}: the value is empty; write {option} {name}=FILE")
            files[name] = file
    return files


def _split(item: str) -> tuple[str, str]:
    name = name_of(item)
    return (_of_path(item), item) if name is None else (name, item[len(name) + 1 :])


def _of_path(path: str) -> str:
    parts = [part for part in PurePath(path.rstrip("/")).parts if part not in ("/", ".", "..")]
    while len(parts) > 1 and parts[-1] in _GENERIC:
        parts.pop()
    last = parts[-1] if parts else ""
    stem = last.split(".")[0] if "." in last.lstrip(".") and ":" not in last else last
    return _OTHER.sub("-", stem.rpartition(":")[2]).strip("-.")
