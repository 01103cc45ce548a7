"""Lets commands take a run on an object store where they take a folder."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from nsfwcaps import progress
from nsfwcaps.runtime.processes import launched
from nsfwcaps.stores.address import is_on_store
from nsfwcaps.stores.session import Use, opened

_Command = Callable[..., None]
_Open = Callable[[str | Path, Use], Path]


def on_store(**uses: Use) -> Callable[[_Command], _Command]:
    """Open the folders that a command gets in some of its parameters, each for a use.

    With `--dry-run` a command writes nothing.
    """

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def call(**values: Any) -> None:
            with _opening(values) as take:
                for name, use in uses.items():
                    if values.get(name) is not None:
                        values[name] = take(values[name], use)
                command(**values)

        return call

    return decorate


def settings_on_store(owner: str, uses: Mapping[str, Use]) -> Callable[[_Command], _Command]:
    """Do the same for folders in a command's settings: paths, and lists of `[NAME=]PATH`."""

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def call(given: Mapping[str, Mapping[str, Any]], **values: Any) -> None:
            with _opening(values) as take:
                own = dict(given[owner])
                for name, use in uses.items():
                    if isinstance(value := own.get(name), Path):
                        own[name] = take(value, use)
                    elif value is not None:
                        own[name] = [_named(item, use, take) for item in value]
                command(given={**given, owner: own}, **values)

        return call

    return decorate


@contextmanager
def _opening(values: Mapping[str, Any]) -> Iterator[_Open]:
    shown = progress.for_terminal(quiet=bool(values.get("quiet") or values.get("as_json")))
    with ExitStack() as stack:

        def take(place: str | Path, use: Use) -> Path:
            if values.get("dry_run"):
                use = Use.PLAN if use is Use.WRITE else use
            elif use is Use.WRITE and _is_part(values):
                use = Use.PART
            elif use is Use.WRITE and not launched().first:
                use = Use.READ  # the first of torchrun's processes writes
            return stack.enter_context(opened(place, use, progress=shown))

        yield take


def _is_part(values: Mapping[str, Any]) -> bool:
    """Whether the command makes one part of a stage, with `--part`."""
    return values.get("given", {}).get("execution", {}).get("part") is not None


def _named(item: str, use: Use, take: _Open) -> str:
    """Open the folder in `[NAME=]PATH`; a single file is read where it is."""
    name, sign, place = item.partition("=")
    if not sign or "/" in name:
        name, sign, place = "", "", item
    if PurePosixPath(place).suffix or not is_on_store(place):
        return item
    return f"{name}{sign}{take(place, use)}"
