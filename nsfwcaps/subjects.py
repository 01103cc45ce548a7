"""What a run folder is of: the pools or the data set that its stages were given.

A run of other pools into the same folder would replace everything in it. It is refused before
anything is written, unless the user asks to overwrite.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from nsfwcaps.artifacts import StageFolder, StageRecord, StageResult
from nsfwcaps.errors import ArtifactError
from nsfwcaps.stage import Recipe, Stage
from nsfwcaps.stages import STAGES


class OtherRunError(ArtifactError):
    """The folder holds a run of other pools, of another data set or of another world."""


class SubjectModule(Protocol):
    """Module of a stage that says what it is of."""

    def difference(self, settings: Any, record: StageRecord | None, workdir: Path) -> str | None:
        """Say in lines how the wanted subject differs from a finished one.

        Return None if it is the same, or only grew. Without a record, what the stage's output has
        become may still be in the folder.
        """
        ...


def replaced(recipe: Recipe, workdir: Path, *, overwrite: bool) -> Mapping[str, str]:
    """Return what a run would replace, by stage: how its subject differs from the finished one.

    Nothing is written.

    Raises:
        OtherRunError: there is such a difference, and `overwrite` is not given.
        InputError: a pool is not there, or cannot be read.
    """
    found = {}
    for stage in STAGES:
        if stage.name in recipe and stage.subject is not None:
            record = StageFolder(workdir / stage.name).record()
            module = cast(SubjectModule, importlib.import_module(stage.subject))
            said = module.difference(recipe[stage.name], record, workdir)
            if said is not None:
                found[stage.name] = said
    if found and not overwrite:
        lines = [f"{name}: {line}" for name, text in found.items() for line in text.splitlines()]
        raise refusal(f"{workdir} holds another run{_size(workdir)}", lines)
    return found


def lost(
    stage: Stage, before: StageRecord | None, folder: StageFolder, result: StageResult
) -> tuple[str, ...]:
    """Say what of a finished run's input is not in the result of the next one, one line each."""
    if before is None or stage.subject is None:
        return ()
    module = importlib.import_module(stage.subject)
    return tuple(module.lost(before, folder, result)) if hasattr(module, "lost") else ()


def refusal(what: str, lines: Sequence[str]) -> OtherRunError:
    """Return the error of what would be replaced: how it differs, and the ways out."""
    ways = "choose another --out, or replace it with --overwrite (in Python overwrite=True)"
    return OtherRunError("\n  ".join([f"{what}; nothing was changed:", *lines, ways]))


def _size(workdir: Path) -> str:
    try:
        record = StageFolder(workdir / "publish").record()
    except ArtifactError:  # damaged
        record = None
    return "" if record is None else f" ({record.rows_in:,} pairs)"
