"""A trained run on disk: where its adapter lies, and what the description beside it says."""

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
_LOCAL = "local-dir:"


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """What `adapter.json` holds."""

    folder: Path
    """Where the adapter lies: `model/` of the run's folder, or a copy of it."""
    base: str
    """Name of the model that was trained, as it was given."""
    encoder: Mapping[str, Any]
    """Identity of that model."""
    settings: Mapping[str, Any]
    steps: int
    before: Mapping[str, float]
    """Scores of the validation before training; empty where nothing was held out."""
    after: Mapping[str, float]
    """The same of the weights that were kept."""

    @property
    def name(self) -> str:
        """Name of the run's folder alone: what is above it is private."""
        folder = self.folder.absolute()
        return (folder.parent if folder.name == _DELIVERED else folder).name

    @property
    def base_name(self) -> str:
        """Name of the base model, that of a folder without what is above it."""
        name = str(self.encoder["name"])
        return PurePath(name).name if name.startswith(_LOCAL) else name

    @property
    def label(self) -> str:
        """Name of the trained model for people, such as `safer (mini)`."""
        return f"{self.name} ({self.base_name})"


def adapter_folder(path: str) -> Path | None:
    """Folder that holds the adapter: the one that is named, or `model/` in it."""
    if not path:  # or the current folder would be meant
        return None
    for folder in (Path(path), Path(path) / _DELIVERED):
        if (folder / DESCRIPTION).is_file():
            return folder
    return None


def read(folder: Path) -> TrainedRun:
    """Read the description in a folder.

    Raises:
        ModelError: it is missing or damaged, or the weights beside it are missing.
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
        )
    except (OSError, ValueError, LookupError, TypeError):
        raise ModelError(
            f"{path} is missing or damaged: it says which model was trained and how; "
            "copy the whole folder again, or train again"
        ) from None
