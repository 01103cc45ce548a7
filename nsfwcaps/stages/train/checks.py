"""train, its checks: what cannot work is found before the hours of embedding."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.enums import Split, Targets
from nsfwcaps.errors import ConfigError, InputError, ModelError
from nsfwcaps.models.names import trained_run
from nsfwcaps.stages.train.dataset import read_pairs, reading
from nsfwcaps.stages.train.settings import TrainSettings

_OF_THE_MODEL = ("weights_sha256", "activation", "preprocessing")


def check_place(folder: StageFolder, settings: TrainSettings) -> None:
    """Refuse to put a new adapter where its own base model lies.

    Raises:
        ConfigError: the model is the run of this very folder.
    """
    base = trained_run(settings.model)
    if base is not None and base.resolve() == (folder.path.parent / "model").resolve():
        raise ConfigError(
            f"train.model: the run in {folder.path.parent} would replace its own base model; "
            "choose another --out"
        )


def check_patience(files: Sequence[Path], settings: TrainSettings) -> None:
    """Say before the hours of embedding that there is nothing to validate on.

    Raises:
        ConfigError: patience is set, and the data set has no validation split.
    """
    if settings.patience is None:
        return
    for path in files:
        with reading(path):
            if Split.VALIDATION in pq.read_table(path, columns=["split"])["split"].to_pylist():
                return
    raise ConfigError(
        "train.patience needs a validation split, and the data set has none; publish it with "
        "--validation-share, or leave patience out"
    )


def check_targets(files: Sequence[Path], targets: Targets, data: Path) -> None:
    """Say before the hours of embedding that there are no fixed targets.

    Raises:
        ConfigError: targets are fixed, and no pair of the train split has a partner.
    """
    if targets is Targets.NEAREST:
        return
    for path in files:
        table = read_pairs(path)
        partners = table["partner_id"].filter(pc.equal(table["split"], Split.TRAIN.value))
        if partners.null_count < len(partners):
            return
    raise ConfigError(
        f"train.targets: fixed targets are the partners that pairs came with, and no train pair in "
        f"{data} has one; give ingest an unsafe pool with a column of partners (--partner-column) "
        "and publish again, or train with --targets nearest"
    )


def check_encoder(data: Path, identity: Mapping[str, Any]) -> None:
    """Refuse a data set whose targets were mined in another model's space.

    Raises:
        ModelError: the weights, the activation or the preprocessing differ.
    """
    try:
        manifest = json.loads((data / "manifest.json").read_bytes())
        mined = manifest["stages"]["embed"]["facts"]["encoder"]
        mined.keys()
    except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
        raise InputError(
            f"{data / 'manifest.json'} is missing or damaged: it says which encoder the pairs were "
            "mined with; publish the data set again"
        ) from None
    for name in _OF_THE_MODEL:
        if json.dumps(mined.get(name), sort_keys=True) != json.dumps(
            identity[name], sort_keys=True
        ):
            raise ModelError(
                f"train: the pairs in {data} were mined with the encoder '{mined.get('name')}', "
                f"and '{identity['name']}' is to be trained: their {name} differ. Targets are "
                "nearest in the space of one model only; mine with the model that is trained"
            )
