"""How a model was trained: method, data and steps, from the files beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.config import digest
from nsfwcaps.delivery.exported import RECORD
from nsfwcaps.files import sha256_file
from nsfwcaps.models import names
from nsfwcaps.models.lineage import lineage
from nsfwcaps.models.trained import WEIGHTS, TrainedRun

_PARQUET = ".parquet"


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training of a model. None: not recorded beside the weights."""

    method: str
    base: str
    trained: str
    """What was trained, as `LoRA of rank 16, alpha 16`."""
    towers: tuple[str, ...]
    data: str | None
    """Title of the data set, or the name of its folder."""
    data_sha256: str | None
    """Digest of the names and contents of its Parquet files."""
    steps: int
    epochs: int | None
    kept_epoch: int | None
    learning_rate: float | None
    strength: float = 1.0
    """How far an export goes from the base model to the trained one."""


def trainings(model: str) -> list[Training]:
    """Return how a model was trained, the last training first; empty if nsfwcaps did not train it.

    Raises:
        ModelError: a trained run, or one that it was trained on, is missing or damaged.
    """
    run = names.trained_run(model)
    if run is not None:
        return [_of_run(one) for one in lineage(run)]
    exported = _export_record(names.weights_folder(model))
    return [] if exported is None else [_of_export(exported)]


def data_sha256(run: TrainedRun) -> str | None:
    """Return a digest of the names and contents of the data set's Parquet files, if recorded."""
    inputs = _inputs(run)
    return None if inputs is None else digest(inputs)


def data_title(run: TrainedRun) -> str | None:
    """Return the title in the manifest of the data set, or the name of its folder.

    The manifest counts only if its files are those that were trained on.
    """
    given = run.settings.get("data")
    if not given:
        return None
    folder = Path(str(given))
    inputs = _inputs(run)
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        files = {file["path"].removeprefix("data/"): file["sha256"] for file in manifest["files"]}
        title = manifest["stages"]["publish"]["settings"]["title"]
        if inputs and all(files.get(name) == sha for name, sha in inputs.items()):
            return str(title)
    except (OSError, ValueError, LookupError, TypeError):
        pass
    return folder.absolute().parent.name if folder.name == "dataset" else folder.name


def described(settings: Mapping[str, Any]) -> str:
    """Describe what was trained.

    >>> described({"full": False, "rank": 16, "alpha": 16.0})
    'LoRA of rank 16, alpha 16'
    """
    if settings["full"]:
        return "all weights"
    return f"LoRA of rank {settings['rank']}, alpha {settings['alpha']:g}"


def _of_run(run: TrainedRun) -> Training:
    settings = run.settings
    return Training(
        method=str(settings.get("method", "unknown")),
        base=run.base_name,
        trained=described(settings),
        towers=tuple(settings["towers"]),
        data=data_title(run),
        data_sha256=data_sha256(run),
        steps=run.steps,
        epochs=settings.get("epochs"),
        kept_epoch=run.kept_epoch,
        learning_rate=run.training.get("learning_rate", settings.get("learning_rate")),
    )


def _of_export(facts: Mapping[str, Any]) -> Training:
    return Training(
        method=str(facts["method"]),
        base=str(facts["base"]),
        trained=str(facts["trained"]),
        towers=tuple(facts["towers"]),
        data=facts.get("data"),
        data_sha256=facts.get("data_sha256"),
        steps=int(facts["steps"]),
        epochs=facts.get("epochs"),
        kept_epoch=facts.get("kept_epoch"),
        learning_rate=facts.get("training", {}).get("learning_rate"),
        strength=float(facts["strength"]),
    )


def _export_record(folder: Path | None) -> Mapping[str, Any] | None:
    """Read the record of an export of a trained run; None for other folders."""
    try:
        facts = json.loads((folder / RECORD).read_bytes()) if folder else None
    except (OSError, ValueError):
        return None
    needed = {"method", "base", "trained", "towers", "steps", "strength"}
    return facts if isinstance(facts, dict) and needed <= facts.keys() else None


def _inputs(run: TrainedRun) -> dict[str, str] | None:
    """Parquet files of the data set by name, from the record of the stage that trained."""
    record = StageFolder(run.folder.parent / "train").record()
    if record is None:
        return None
    adapters = {file.sha256 for file in record.files if Path(file.path).name == WEIGHTS}
    if sha256_file(run.folder / WEIGHTS) not in adapters:  # record of another run
        return None
    return {name: sha for name, sha in record.inputs.items() if name.endswith(_PARQUET)}
