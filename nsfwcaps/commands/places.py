"""Lets commands take a run on an object store where they take a folder."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from nsfwcaps import progress
from nsfwcaps.stores.session import Use, opened


def on_store(**uses: Use) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Open the folders that a command gets in some of its parameters, each for a use.

    With `--dry-run` a command only looks.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def call(**values: Any) -> None:
            shown = progress.for_terminal(quiet=bool(values.get("quiet") or values.get("as_json")))
            with ExitStack() as stack:
                for name, use in uses.items():
                    if values.get(name) is not None:
                        own = Use.LOOK if values.get("dry_run") else use
                        place = opened(values[name], own, progress=shown)
                        values[name] = stack.enter_context(place)
                command(**values)

        return call

    return decorate
