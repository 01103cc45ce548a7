"""Choice among the configurations and splits of a data set; several need a word of the user."""

from __future__ import annotations

from collections.abc import Sequence

from nsfwcaps.captions.folders.split_names import canonical
from nsfwcaps.errors import InputError

ALL = "all"
DEFAULT = "default"
"""Configuration that `datasets.load_dataset` loads where none is named."""
DEFAULT_OR_ALL = "default, else all"
"""Asks for it where there is one, and for all configurations elsewhere."""


def chosen(
    names: Sequence[str], asked: str | None, *, option: str, what: str, where: str
) -> list[str]:
    """Return the names asked for: one, several joined by `+`, or `all`.

    Raises:
        InputError: there are several and none was asked for, or one asked for is missing.
    """
    if asked is None:
        if len(names) > 1:
            raise InputError(
                f"{where}: several {what}: {_listed(names)}; choose with {option} NAME, "
                f"several as A+B, '{option} {ALL}' for all, or name the files themselves"
            )
        return list(names)
    if asked == ALL and ALL not in names:
        return list(names)
    if asked in names:
        return [asked]
    wanted = [_known(part.strip(), names) for part in asked.split("+")]
    missing = [part for part, name in zip(asked.split("+"), wanted, strict=True) if name is None]
    if missing:
        raise InputError(
            f"{where}: {option} {asked}: no '{missing[0].strip()}' among its {what}: "
            f"{_listed(names)}"
        )
    return list(dict.fromkeys(name for name in wanted if name is not None))


def _known(asked: str, names: Sequence[str]) -> str | None:
    """A name as asked for; `validation` also means the only one of val, dev, valid."""
    if asked in names:
        return asked
    same = [name for name in names if canonical(name) == canonical(asked)]
    return same[0] if len(same) == 1 else None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    return f"{shown}, and {len(names) - 20} more" if len(names) > 20 else shown
