"""train: fine-tune a model on pairs; write the adapters of a safer model.

    data set ─ train_reference ─▶ the frozen model's vectors of every caption and picture
    pairs, curriculum ─ Trainer ─▶ adapter.safetensors, adapter.json, metrics.jsonl

A stopped run resumes from its last checkpoint and ends with the same weights as an uninterrupted
run: order and dropout depend only on the seed and the step, the rest is in the checkpoint.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps.artifacts import Shard, ShardFiles, StageFolder, StageRecord, StageResult
from nsfwcaps.captions.overlap import overlap_facts, overlap_note
from nsfwcaps.config import digest, output_settings
from nsfwcaps.encoders.encoder import DualEncoder
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Precision, Split
from nsfwcaps.errors import ModelError
from nsfwcaps.files import sha256_file
from nsfwcaps.models import create
from nsfwcaps.progress import Progress, Silent
from nsfwcaps.runtime.device import torch_device
from nsfwcaps.runtime.processes import Processes, joined
from nsfwcaps.stages.train import checks, plans, subspace
from nsfwcaps.stages.train.checkpoints import Checkpoints
from nsfwcaps.stages.train.dataset import data_files, safe_files
from nsfwcaps.stages.train.reference import embed_reference, load_reference
from nsfwcaps.stages.train.reference_precision import reference_encoder
from nsfwcaps.stages.train.selection import (
    manifest_stages,
    published_safe_items,
    selection_of,
)
from nsfwcaps.stages.train.settings import TrainSettings
from nsfwcaps.stages.train.subspace import KeptSubspace

if TYPE_CHECKING:  # plans and dry runs need no torch
    from nsfwcaps.training.run import TrainingRun

VERSION = 5


def sources(settings: TrainSettings) -> Mapping[str, str]:
    """Return digests of the data files and of the model weights."""
    data = Path(settings.data)
    return {
        **{path.name: sha256_file(path) for path in data_files(data)},
        **{f"safe/{path.name}": sha256_file(path) for path in safe_files(data)},
        "model": create.source_digest(settings.model),
    }


def plan(settings: TrainSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Return the pairs that train, the steps, and the work by part, without loading the model."""
    return plans.planned(settings)


def run(
    settings: TrainSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Embed with the frozen model, adapt it, train it, write the adapters."""
    from nsfwcaps.stages.train.options import options_of
    from nsfwcaps.stages.train.outputs import FileOutputs
    from nsfwcaps.stages.train.pairs import preserved, run_pairs, usable_pairs, without_partner
    from nsfwcaps.stages.train.safe_items import draw
    from nsfwcaps.stages.train.tensorboard import wants_board
    from nsfwcaps.training.compilation import check_compiler
    from nsfwcaps.training.run import TrainingRun

    data = Path(settings.data)
    files = data_files(data)
    options, board = options_of(settings), wants_board(settings.events)
    checks.check_place(folder, settings)
    if options.compile:
        check_compiler(torch_device(settings.device))
    checks.check_patience(files, settings)
    checks.check_targets(files, options.method.targets, data)
    encoder = _encoder(settings)
    checks.check_encoder(data, asdict(encoder.identity))
    if said := overlap_note(data):
        progress.note(said)
    safe = safe_files(data)
    pool = draw(files, safe, options)
    ids = [] if pool is None else pool["safe_id"].to_pylist()
    choice = reference_encoder(files, encoder, options.precision, folder, progress)
    clock, before = plans.Clock(settings), {row.key for row in folder.journal_rows()}
    with clock.timed(plans.REFERENCE) as done:
        shards = embed_reference(files, choice.encoder, folder, progress, safe=safe, chosen=ids)
        reference = load_reference(folder, shards)
        if not before & {shard.key for shard in shards}:
            done.append(len(reference.text) + len(reference.image))
    usable = {
        split: usable_pairs(files, split, reference, settings.max_reject_share) for split in Split
    }
    key = digest([VERSION, output_settings(settings), sources(settings)])
    checkpoints = Checkpoints(folder.path / "checkpoints" / key[:12])

    def trained() -> ShardFiles:
        pairs, held = (usable[split][0] for split in (Split.TRAIN, Split.VALIDATION))
        processes = joined()
        processes.call(shards)
        chosen = run_pairs(pairs, held, pool, reference, options.method.targets)
        made_from = plans.subspace_of(settings, options, plans.training_of(files, options), pool)
        directions = KeptSubspace(
            folder, encoder.identity.digest, reference, options, clock, made_from
        )
        training = TrainingRun(encoder, chosen, reference, options, processes, progress, directions)
        newest = checkpoints.newest()
        _go_on(training, newest, processes)
        points = folder.path / "tensorboard" / key[:12] if board else None
        with clock.timed(plans.STEPS) as done:
            facts = training.train(FileOutputs(checkpoints, key, points), progress)
            done.append(facts["steps"] * options.batch_size if newest is None else 0)
        facts["preserved"] |= preserved(pairs, reference, chosen)
        facts |= {
            "pairs_without_image": {split.value: lacking for split, (_, lacking) in usable.items()},
            "pairs_without_partner": without_partner(pairs, reference),
            "images_broken": _broken(shards),
            "selection": selection_of(manifest_stages(data)),
            "overlap": overlap_facts(data),
            "safe_items": published_safe_items(manifest_stages(data), safe),
            "encoder": asdict(encoder.identity),
            "reference": dict(choice.facts),
            "method": {"name": settings.method.value, **asdict(options.method)},
        }
        return _delivery(key, training.adapter_file(), facts, checkpoints.metrics, settings)

    # The shard exists if a run was stopped between its last step and its record.
    delivered = folder.shard_or(digest([key, "papers"]), trained)
    checkpoints.clear()
    return StageResult(
        shards=[*choice.shards, *shards, delivered],
        facts=delivered.facts,
        rates=clock.rates(),
        kept=subspace.last(folder),
    )


def follow(settings: TrainSettings, folder: StageFolder, shards: Sequence[Shard]) -> None:
    """Train along with the first process, which runs the stage; write nothing."""
    from nsfwcaps.stages.train.options import options_of
    from nsfwcaps.stages.train.pairs import run_pairs, usable_pairs
    from nsfwcaps.stages.train.safe_items import draw
    from nsfwcaps.training.outputs import NoOutputs
    from nsfwcaps.training.run import TrainingRun

    files, reference = data_files(Path(settings.data)), load_reference(folder, shards)
    pairs, held = (
        usable_pairs(files, split, reference, settings.max_reject_share)[0]
        for split in (Split.TRAIN, Split.VALIDATION)
    )
    options, processes, silent = options_of(settings), joined(), Silent()
    pool = draw(files, safe_files(Path(settings.data)), options)
    chosen = run_pairs(pairs, held, pool, reference, options.method.targets)
    trained = TrainingRun(_encoder(settings), chosen, reference, options, processes, silent)
    _go_on(trained, None, processes)
    trained.train(NoOutputs(), silent)


def _encoder(settings: TrainSettings) -> DualEncoder:
    # The reference may be in another precision; training sets its own.
    options = replace(EncoderOptions.of(settings), precision=Precision.FP32)
    try:
        return create.load_dual(settings.model, options)
    except ModelError as error:
        reason = str(error).removeprefix("embed.model: ")
        raise ModelError(f"train.model: {reason}") from None


def _go_on(run: TrainingRun, newest: Path | None, processes: Processes) -> None:
    """Restore the newest checkpoint, which the first process found, in all processes."""
    from nsfwcaps.stages.train.checkpoints import load_checkpoint

    path = processes.broadcast(newest)
    if path is not None:
        run.restore(load_checkpoint(path))
    processes.wait()  # the first process removes old or finished checkpoints


def _broken(shards: Sequence[Shard]) -> dict[str, int]:
    """Return the number of unusable pictures by reason."""
    counted: Counter[str] = Counter()
    for shard in shards:
        counted.update(shard.facts["broken"])
    return dict(sorted(counted.items()))


def _delivery(
    key: str, adapter: bytes, facts: Mapping[str, Any], metrics: Path, settings: TrainSettings
) -> ShardFiles:
    root = key[:12]
    description = {
        "model": settings.model,
        "settings": output_settings(settings),
        "encoder": facts["encoder"],
        "reference": facts["reference"],
        "targets": facts["method"]["targets"],
        "scale": facts["scale"],
        "learning_rate": facts["learning_rate"],
        "steps": facts["steps"],
        "preserved": facts["preserved"],
        "selection": facts["selection"],
        "overlap": facts["overlap"],
        "validation": facts["validation"],
        "kept_epoch": facts["kept_epoch"],
    }
    return ShardFiles(
        contents={
            ("dataset", f"{root}/adapter.safetensors"): adapter,
            ("dataset", f"{root}/adapter.json"): json.dumps(description, indent=1).encode(),
            ("dataset", f"{root}/metrics.jsonl"): metrics.read_bytes(),
        },
        facts=facts,
    )
