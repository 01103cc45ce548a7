"""A trained run and the runs below it."""

from __future__ import annotations

from pathlib import Path

from nsfwcaps.errors import ModelError
from nsfwcaps.models import names
from nsfwcaps.models.trained import TrainedRun, read


def lineage(folder: Path) -> list[TrainedRun]:
    """Return a run, the run that it was trained on, and so on; the last is on an ordinary model.

    Raises:
        ModelError: a description is damaged, a base is gone, or a run is its own base.
    """
    runs: list[TrainedRun] = []
    below: Path | None = folder
    while below is not None:
        if any(run.folder.resolve() == below.resolve() for run in runs):
            raise ModelError(f"{folder}: the run is its own base model; a folder was overwritten")
        run = read(below)
        if names.problem(run.base) is not None:
            raise ModelError(
                f"{below} was trained on top of '{run.base}', and no trained run is there; put "
                "that folder back, or go to the folder that its name starts from"
            )
        runs.append(run)
        below = names.trained_run(run.base)
    return runs
