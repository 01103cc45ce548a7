"""train, pre-flight checks: fail before hours of embedding."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.enums import Split, Targets
from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.models.names import trained_run
from nsfwcaps.stages.train.dataset import read_pairs, reading
from nsfwcaps.stages.train.selection import manifest_stages
from nsfwcaps.stages.train.settings import TrainSettings

_OF_THE_MODEL = ("weights_sha256", "activation", "preprocessing")


def check_place(folder: StageFolder, settings: TrainSettings) -> None:
    """Refuse to overwrite the base model with the new adapter.

    Raises:
        ConfigError: the model is the run in this folder.
    """
    base = trained_run(settings.model)
    if base is not None and base.resolve() == (folder.path.parent / "model").resolve():
        raise ConfigError(
            f"train.model: the run in {folder.path.parent} would overwrite its own base model; "
            "choose another --out"
        )


def check_patience(files: Sequence[Path], settings: TrainSettings) -> None:
    """Check that patience has a validation split.

    Raises:
        ConfigError: patience is set, but the data set has no validation split.
    """
    if settings.patience is None:
        return
    for path in files:
        with reading(path):
            if Split.VALIDATION in pq.read_table(path, columns=["split"])["split"].to_pylist():
                return
    raise ConfigError(
        "train.patience: needs a validation split, but the data set has none; publish with "
        "--validation-share, or remove --patience"
    )


def check_targets(files: Sequence[Path], targets: Targets, data: Path) -> None:
    """Check that fixed targets have partners.

    Raises:
        ConfigError: targets are fixed, but no pair of the train split has a partner.
    """
    if targets is Targets.NEAREST:
        return
    for path in files:
        table = read_pairs(path)
        partners = table["partner_id"].filter(pc.equal(table["split"], Split.TRAIN.value))
        if partners.null_count < len(partners):
            return
    raise ConfigError(
        f"train.targets: fixed targets need pairs with partners, but no train pair in {data} has "
        "one; ingest an unsafe pool with a partner column (--partner-column) and publish again, or "
        "use --targets nearest"
    )


def check_encoder(data: Path, identity: Mapping[str, Any]) -> None:
    """Refuse a data set whose targets were mined with another model.

    Raises:
        InputError: the manifest is missing or damaged.
        ModelError: the weights, the activation or the preprocessing differ.
    """
    mined = manifest_stages(data)["embed"]["facts"]["encoder"]
    for name in _OF_THE_MODEL:
        if json.dumps(mined.get(name), sort_keys=True) != json.dumps(
            identity[name], sort_keys=True
        ):
            if mined.get("name") == identity["name"]:
                raise ModelError(
                    f"train: the pairs in {data} were mined with another version of "
                    f"'{identity['name']}' ({name} differs); run build again, then train"
                )
            raise ModelError(
                f"train: the pairs in {data} were mined with the encoder '{mined.get('name')}', "
                f"but the model to train is '{identity['name']}': their {name} differs. "
                "Nearest targets depend on the encoder; mine with the model to train"
            )
