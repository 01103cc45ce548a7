"""Lineage of a trained run: the runs it builds on."""

from __future__ import annotations

from pathlib import Path

from nsfwcaps.errors import ModelError
from nsfwcaps.models import names
from nsfwcaps.models.trained import TrainedRun, read


def lineage(folder: Path) -> list[TrainedRun]:
    """Return a run, the run it was trained on, and so on down to an ordinary model.

    Raises:
        ModelError: a description is damaged, a base is missing, or a run is its own base.
    """
    runs: list[TrainedRun] = []
    below: Path | None = folder
    while below is not None:
        if any(run.folder.resolve() == below.resolve() for run in runs):
            raise ModelError(
                f"{folder}: the run is its own base model; a folder must have been overwritten"
            )
        run = read(below)
        if names.problem(run.base) is not None:
            raise ModelError(
                f"{below} was trained on '{run.base}', which holds no trained run; restore "
                "that folder, or run from the folder that this path is relative to"
            )
        runs.append(run)
        below = names.trained_run(run.base)
    return runs
