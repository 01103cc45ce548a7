"""A trained run on disk: the location of its adapter, and the description beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from nsfwcaps.errors import ModelError

WEIGHTS = "adapter.safetensors"
DESCRIPTION = "adapter.json"

_DELIVERED = "model"
_TRAINING = ("scale", "learning_rate", "preserved", "selection", "overlap")
_LOCAL = "local-dir:"


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """Content of `adapter.json`."""

    folder: Path
    """Folder of the adapter: `model/` in the run's folder, or a copy of it."""
    base: str
    """Name of the base model, as given."""
    encoder: Mapping[str, Any]
    """Identity of the base model."""
    settings: Mapping[str, Any]
    steps: int
    before: Mapping[str, float]
    """Validation scores before training; empty without a validation split."""
    after: Mapping[str, float]
    """Validation scores of the saved weights."""
    kept_epoch: int
    """Epoch of the saved weights, from 1; 0 is before training."""
    training: Mapping[str, Any]
    """Logit scale, learning rate, safe items preserved, selection and overlap of the pairs; older
    runs have none of these."""

    @property
    def name(self) -> str:
        """Name of the run's folder, without its private parents."""
        folder = self.folder.absolute()
        return (folder.parent if folder.name == _DELIVERED else folder).name

    @property
    def base_name(self) -> str:
        """Name of the base model, without private parent folders."""
        name = str(self.encoder["name"])
        return PurePath(name).name if name.startswith(_LOCAL) else name

    @property
    def label(self) -> str:
        """Name of the trained model for display, such as `safer (mini)`."""
        return f"{self.name} ({self.base_name})"


def adapter_folder(path: str) -> Path | None:
    """Return the adapter folder: `path` itself, or its subfolder `model/`."""
    if not path:  # would mean the current folder
        return None
    for folder in (Path(path), Path(path) / _DELIVERED):
        if (folder / DESCRIPTION).is_file():
            return folder
    return None


def read(folder: Path) -> TrainedRun:
    """Read the description of a trained run.

    Raises:
        ModelError: the description is missing or damaged, or the weights are missing.
    """
    path = folder / DESCRIPTION
    if not (folder / WEIGHTS).is_file():
        raise ModelError(f"{folder / WEIGHTS} is missing; copy the whole folder, or train again")
    try:
        values = json.loads(path.read_bytes())
        return TrainedRun(
            folder=folder,
            base=str(values["model"]),
            encoder={**values["encoder"], "name": str(values["encoder"]["name"])},
            settings={**values["settings"]},
            steps=int(values["steps"]),
            before=dict(values["validation"][0]),
            after=dict(values["validation"][values["kept_epoch"]]),
            kept_epoch=int(values["kept_epoch"]),
            training={name: values[name] for name in _TRAINING if name in values},
        )
    except (OSError, ValueError, LookupError, TypeError):
        raise ModelError(
            f"{path} is missing or damaged: it holds the base model and settings of the run; "
            "copy the whole folder again, or train again"
        ) from None
