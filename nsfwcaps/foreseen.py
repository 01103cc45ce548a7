"""Problems of later stages that show as soon as an earlier one has finished."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.errors import InputError
from nsfwcaps.stage import Recipe
from nsfwcaps.stages import STAGES


def check_later_stages(recipe: Recipe, record: StageRecord) -> None:
    """Look at what a stage has made, from the view of the stages that follow it.

    Raises:
        InputError: a later stage of the recipe cannot use it.
    """
    for stage in STAGES:
        if stage.name in recipe:
            for problem in stage.foresees(recipe, record):
                raise InputError(problem)


def check_finished(recipe: Recipe, workdir: Path, names: Iterable[str]) -> None:
    """Do the same for stages that are up to date already.

    Raises:
        InputError: as `check_later_stages`.
    """
    for name in names:
        record = StageFolder(workdir / name).record()
        if record is not None:
            check_later_stages(recipe, record)
