"""Earlier stages that a stage needs and that have not run: the first of them, and its command."""

from __future__ import annotations

import shlex
from pathlib import Path

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.stage import Recipe
from nsfwcaps.stages import STAGE, STAGES

_POOLS = {"ingest": " --safe FILE --unsafe FILE", "construct": " --pool FILE"}
"""What a command cannot do without."""


def first(name: str, workdir: Path) -> str:
    """Return the first stage that must run before a missing one can, or that stage itself."""
    for read in STAGE[name].reads:
        if StageFolder(workdir / read).record() is None:
            return first(read, workdir)
    return name


def command(name: str, workdir: Path) -> str:
    """Return the command that runs a stage."""
    return f"nsfwcaps {name} --workdir {shlex.quote(str(workdir))}{_POOLS.get(name, '')}"


def of_recipe(recipe: Recipe) -> dict[str, str]:
    """Return the stages that a recipe needs and does not name, each with the one that reads it.

    They are in order. A run folder may have their output.
    """
    found: dict[str, str] = {}
    for stage in reversed(STAGES):
        if stage.name in recipe or stage.name in found:
            settings = recipe.get(stage.name)
            too = stage.reads_too(settings) if settings is not None else ()
            for read in (*stage.reads, *too):
                if read not in recipe:
                    found.setdefault(read, stage.name)
    return {name: found[name] for name in STAGE if name in found}


def steps(recipe: Recipe, workdir: Path) -> dict[str, list[str]]:
    """Return what must run before a recipe can, by the stage that needs it."""
    found: dict[str, list[str]] = {}
    for name, reader in of_recipe(recipe).items():
        if StageFolder(workdir / name).record() is None:
            by = reader if reader in recipe else next(iter(recipe))
            found.setdefault(by, []).append(f"needs {name}: run '{command(name, workdir)}' first")
    return found
