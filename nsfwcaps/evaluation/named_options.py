"""NAME=VALUE of the command line: names that are unique, and fit to be those of files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from nsfwcaps.errors import ConfigError

_NAME = re.compile(r"[\w][\w.+-]*", re.ASCII)
_OTHER = re.compile(r"[^\w.+-]+", re.ASCII)
_SAYS_NOTHING = ("dataset", "data", "model")
"""Last parts of paths by which every run's folder would have the same name."""


def named(option: str, given: Sequence[str]) -> list[tuple[str, str]]:
    """Split each into name and value; what has no name is called by the last part of its path.

    >>> named("--model", ["base=mini", "runs/safer", "open_clip:ViT-B-32/openai"])
    [('base', 'mini'), ('safer', 'runs/safer'), ('openai', 'open_clip:ViT-B-32/openai')]

    Raises:
        ConfigError: a name that cannot be a file's, or that was given twice.
    """
    pairs = [_split(item) for item in given]
    for name, value in pairs:
        if not value:
            raise ConfigError(f"{option}: nothing is named; write {option} NAME=VALUE")
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{option}: '{name}' cannot be a name; use letters, digits, '.', '-', '_' and '+'"
            )
    names = [name.casefold() for name, _ in pairs]  # some file systems do not tell case apart
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ConfigError(
                f"{option}: two are called '{pairs[number][0]}'; tell them apart as "
                f"{option} NAME={pairs[number][1]}"
            )
    return pairs


def _split(item: str) -> tuple[str, str]:
    name, sign, value = item.partition("=")
    # An equals sign behind a slash or a colon is one of the path's own.
    if sign and not set("/:\\") & set(name):
        return name, value
    return _of_path(item), item


def _of_path(path: str) -> str:
    parts = [part for part in PurePath(path.rstrip("/")).parts if part not in ("/", ".", "..")]
    while len(parts) > 1 and parts[-1] in _SAYS_NOTHING:
        parts.pop()
    last = parts[-1] if parts else ""
    stem = last.split(".")[0] if "." in last.lstrip(".") and ":" not in last else last
    return _OTHER.sub("-", stem.rpartition(":")[2]).strip("-.")
