"""train: pairs and a model in, adapters of a safer model out.

    data set ─ train_reference ─▶ the frozen model's vectors of every caption and picture
    pairs, curriculum ─ Trainer ─▶ adapter.safetensors, adapter.json, metrics.jsonl

A run that was stopped goes on from its last checkpoint, and ends with the weights of one that was
not: order and dropout follow from the seed and the step, and all else is in the checkpoint.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nsfwcaps.artifacts import Files, Shard, StageFolder, StageRecord, StageResult
from nsfwcaps.config import digest, output_settings
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Precision, Split, Targets
from nsfwcaps.errors import ConfigError, InputError, ModelError
from nsfwcaps.files import sha256_file
from nsfwcaps.models import create
from nsfwcaps.models.names import trained_run
from nsfwcaps.progress import Progress, Silent
from nsfwcaps.stages.train.checkpoints import Checkpoints
from nsfwcaps.stages.train.reference import (
    Reference,
    data_files,
    embed_reference,
    load_reference,
    reading,
)
from nsfwcaps.stages.train.settings import TrainSettings
from nsfwcaps.training.processes import joined

VERSION = 2

_COLUMNS = [
    *("pair_id", "stage", "split"),
    *("unsafe_id", "unsafe_caption", "unsafe_image_sha256"),
    *("safe_id", "safe_caption", "safe_image_sha256"),
]
_PARTNER_COLUMNS = ["partner_id", "partner_caption", "partner_image_sha256"]
_OF_THE_MODEL = ("weights_sha256", "activation", "preprocessing")


def sources(settings: TrainSettings) -> Mapping[str, str]:
    """Digests of the data set's files and of the model's weights."""
    files = data_files(Path(settings.data))
    return {
        **{path.name: sha256_file(path) for path in files},
        "model": create.source_digest(settings.model),
    }


def plan(settings: TrainSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Pairs in the data set and pairs per step."""
    files = data_files(Path(settings.data))
    pairs = sum(pq.read_metadata(path).num_rows for path in files)
    return {"pairs": pairs, "epochs": settings.epochs, "pairs per step": settings.batch_size}


def run(
    settings: TrainSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Embed with the frozen model, adapt it, train it, write the adapters."""
    from nsfwcaps.stages.train.choices import check_settings, method_of
    from nsfwcaps.stages.train.outputs import Written
    from nsfwcaps.stages.train.pairs import without_partner
    from nsfwcaps.stages.train.tensorboard import wants_board
    from nsfwcaps.stages.train.training_run import TrainingRun

    data = Path(settings.data)
    files = data_files(data)
    method = method_of(settings)
    check_settings(settings)
    _check_place(folder, settings)
    _check_patience(files, settings)
    _check_targets(files, method.targets, data)
    encoder = _encoder(settings)
    _check_encoder(data, asdict(encoder.identity))
    shards = embed_reference(files, encoder, folder, progress)
    reference = load_reference(folder, shards)
    usable = {split: _usable(files, split, reference, settings) for split in Split}
    key = digest([VERSION, output_settings(settings), sources(settings)])
    checkpoints = Checkpoints(folder.path / "checkpoints" / key[:12])

    def trained() -> Files:
        pairs, held = (usable[split][0] for split in (Split.TRAIN, Split.VALIDATION))
        joined().call(shards)
        work = TrainingRun(settings, method, encoder, reference, pairs, held, progress)
        board = folder.path / "tensorboard" / key[:12] if wants_board(settings.events) else None
        facts = work.train(Written(checkpoints, key, board), progress)
        facts |= {
            "pairs_without_image": {split.value: lacking for split, (_, lacking) in usable.items()},
            "pairs_without_partner": without_partner(pairs, reference),
            "images_broken": _broken(shards),
            "encoder": asdict(encoder.identity),
            "method": asdict(method),
        }
        return _papers(key, work, facts, checkpoints.metrics, settings)

    # Papers are there where a run was stopped between its last step and its record.
    papers = folder.shard_or(digest([key, "papers"]), trained)
    checkpoints.clear()
    return StageResult(shards=[*shards, papers], facts=papers.facts)


def follow(settings: TrainSettings, folder: StageFolder, shards: Sequence[Shard]) -> None:
    """Train along with the process that runs the stage and has the reference; write nothing."""
    from nsfwcaps.stages.train.choices import method_of
    from nsfwcaps.stages.train.outputs import Unwritten
    from nsfwcaps.stages.train.training_run import TrainingRun

    files, reference = data_files(Path(settings.data)), load_reference(folder, shards)
    pairs, held = (
        _usable(files, split, reference, settings)[0] for split in (Split.TRAIN, Split.VALIDATION)
    )
    method, encoder, silent = method_of(settings), _encoder(settings), Silent()
    run = TrainingRun(settings, method, encoder, reference, pairs, held, silent)
    run.train(Unwritten(), silent)


def _encoder(settings: TrainSettings) -> Any:
    # In single precision: the reference; training has its own.
    options = replace(EncoderOptions.of(settings), precision=Precision.FP32)
    return create.load(settings.model, options)


def _broken(shards: Sequence[Shard]) -> dict[str, int]:
    """Pictures that cannot be used, by the reason."""
    counted: Counter[str] = Counter()
    for shard in shards:
        counted.update(shard.facts["broken"])
    return dict(sorted(counted.items()))


def _check_place(folder: StageFolder, settings: TrainSettings) -> None:
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


def _check_patience(files: Sequence[Path], settings: TrainSettings) -> None:
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


def _check_targets(files: Sequence[Path], targets: Targets, data: Path) -> None:
    """Say before the hours of embedding that there are no fixed targets.

    Raises:
        ConfigError: targets are fixed, and no pair of the train split has a partner.
    """
    if targets is Targets.NEAREST:
        return
    for path in files:
        table = _read(path)
        partners = table["partner_id"].filter(pc.equal(table["split"], Split.TRAIN.value))
        if partners.null_count < len(partners):
            return
    raise ConfigError(
        f"train.targets: fixed targets are the partners that pairs came with, and no train pair in "
        f"{data} has one; give ingest an unsafe pool with a column of partners (--partner-column) "
        "and publish again, or train with --targets nearest"
    )


def _check_encoder(data: Path, identity: Mapping[str, Any]) -> None:
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


def _usable(
    files: Sequence[Path], split: Split, reference: Reference, settings: TrainSettings
) -> tuple[pa.Table, int]:
    """Pairs of a split of which everything was embedded, and the number of the others.

    Raises:
        InputError: too many lack an image.
    """
    table = pa.concat_tables([_read(path) for path in files])
    table = table.filter(pc.equal(table["split"], split.value))
    ok = [
        row["unsafe_image_sha256"] in reference.image_row
        and row["safe_image_sha256"] in reference.image_row
        and row["unsafe_id"] in reference.text_row
        and row["safe_id"] in reference.text_row
        for row in table.to_pylist()
    ]
    lacking = len(ok) - sum(ok)
    if lacking > settings.max_reject_share * len(ok):
        first = table.filter(pa.array([not good for good in ok]))["pair_id"].to_pylist()
        raise InputError(
            f"train: {lacking} of {len(ok)} {split} pairs lack a usable image (first: "
            f"{', '.join(first[:3])}), more than max_reject_share allows "
            f"({settings.max_reject_share:.1%}); publish with images, or raise it"
        )
    return table.filter(pa.array(ok, pa.bool_())), lacking


def _read(path: Path) -> pa.Table:
    """Pairs of a file without their pictures; the partners are null where it has none."""
    with reading(path):
        names = pq.read_schema(path).names
        known = [name for name in (*_COLUMNS, *_PARTNER_COLUMNS) if name in names]
        table = pq.read_table(path, columns=known)
    for name in _PARTNER_COLUMNS:
        if name not in names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table.select([*_COLUMNS, *_PARTNER_COLUMNS])


def _papers(
    key: str, work: Any, facts: Mapping[str, Any], metrics: Path, settings: TrainSettings
) -> Files:
    root = key[:12]
    description = {
        "model": settings.model,
        "settings": output_settings(settings),
        "encoder": facts["encoder"],
        "targets": facts["method"]["targets"],
        "steps": facts["steps"],
        "validation": facts["validation"],
        "kept_epoch": facts["kept_epoch"],
    }
    return Files(
        contents={
            ("dataset", f"{root}/adapter.safetensors"): work.adapter_file(),
            ("dataset", f"{root}/adapter.json"): json.dumps(description, indent=1).encode(),
            ("dataset", f"{root}/metrics.jsonl"): metrics.read_bytes(),
        },
        facts=facts,
    )
