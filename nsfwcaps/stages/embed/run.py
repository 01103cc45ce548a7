"""embed: encode every caption, and every picture if the model supports images, to a unit vector.

    ingest shards ─ encode ─▶ safe-*.arrow, unsafe-*.arrow   id, fold_key, image_sha256, vector
                              images-*.arrow                 image_sha256, vector
                              flagged-*.parquet              id, flag

The key of a shard is a digest of its input and the encoder. Vectors of earlier runs with the same
encoder are reused by id, so only the new captions of a pool are encoded.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nsfwcaps.artifacts import OutputFile, Shard, StageFolder, StageRecord, StageResult
from nsfwcaps.encoders.encoder import Encoder
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.errors import InputError
from nsfwcaps.models import create, names
from nsfwcaps.progress import Progress
from nsfwcaps.stages.embed import flags, plans
from nsfwcaps.stages.embed.captions import CaptionShards
from nsfwcaps.stages.embed.images import ImageShards
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.stages.embed.shards import Shards, ShardWriter, embed
from nsfwcaps.tables import read_tables
from nsfwcaps.work import WorkSplit

VERSION = 3

_FEW_REJECTS = 3


def sources(settings: EmbedSettings) -> Mapping[str, str]:
    """Return the digest of the weights, or of the folder of imported vectors."""
    if settings.source is not None:
        from nsfwcaps.encoders import imported

        return {"source": imported.source_digest(Path(settings.source))}
    # The pools decide between the default models; the fingerprint covers them too.
    models = (settings.model,) if settings.model is not None else names.DEFAULTS
    return {"model": " ".join(create.source_digest(model) for model in models)}


def plan(settings: EmbedSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Return the numbers of captions, pictures and shards to encode."""
    ingest = inputs["ingest"]
    captions = ingest.rows("safe") + ingest.rows("unsafe")
    files = [file for file in ingest.files if file.group in ("safe", "unsafe", "images")]
    return {
        "captions": captions,
        "images": ingest.rows("images"),
        "shards": len(files),
        **plans.missing(settings, ingest),
    }


def run(
    settings: EmbedSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Encode the pictures, then the captions; reject captions whose picture cannot be decoded.

    Raises:
        InputError: a side has no vectors left, or too many captions were rejected.
    """
    ingest = inputs["ingest"]
    began = time.monotonic()
    encoder = encoder_of(settings, with_images=settings.images and ingest.rows("images") > 0)
    rates: dict[str, tuple[int, float]] = {"loading": (1, time.monotonic() - began)}
    split = WorkSplit()
    writer = ShardWriter(folder, ingest, encoder, split)

    def embedded(shards: Shards[Any], group: str) -> list[Shard]:
        with progress.task(f"embed: {group}", ingest.rows(group), split=split) as advance:
            before, began = writer.encoded, time.monotonic()
            made = embed(shards, files_of(ingest, group), folder, advance)
            kind = "images" if group == "images" else "captions"
            amount, spent = rates.get(kind, (0, 0.0))
            new = writer.encoded - before
            rates[kind] = amount + new, spent + (time.monotonic() - began if new else 0.0)
            return made

    pictures: list[Shard] = []
    width = encoder.identity.image_width
    if settings.images and width is not None:
        pictures = embedded(ImageShards(writer, width), "images")
    broken = rejected(pictures, folder.path)
    captions: list[Shard] = []
    for label in ("unsafe", "safe"):
        captions += embedded(CaptionShards(writer, label, broken), label)
    _check_share(captions, ingest, settings, folder)
    flagged = {
        label: [
            flags.flag(label, file, ingest, encoder, folder) for file in files_of(ingest, label)
        ]
        for label in ("safe", "unsafe")
    }
    return StageResult(
        shards=[*captions, *pictures, *flagged["safe"], *flagged["unsafe"]],
        facts={
            "encoder": {**asdict(encoder.identity), "digest": encoder.identity.digest},
            "captions": {label: _count(captions, label) for label in ("safe", "unsafe")},
            "images": _count(pictures, "images"),
            "images_failed": dict(Counter(broken.values())),
            **{
                name: {label: flags.total(shards, name) for label, shards in flagged.items()}
                for name in (flags.TRUNCATED, flags.NON_LATIN)
            },
        },
        rates=plans.named(settings, ingest, rates),
    )


def encoder_of(settings: EmbedSettings, *, with_images: bool) -> Encoder:
    """Load the configured encoder, or the folder of imported vectors that replaces it."""
    if settings.source is not None:
        from nsfwcaps.encoders.imported import ImportedVectors

        return ImportedVectors(Path(settings.source))
    model = settings.model or names.DEFAULTS[with_images]
    return create.load_on_all_gpus(model, EncoderOptions.of(settings))


def files_of(ingest: StageRecord, group: str) -> list[OutputFile]:
    """Return the files of ingest that hold a group, in order; each becomes a shard."""
    return [file for file in ingest.files if file.group == group]


def rejected(shards: Sequence[Shard], path: Path) -> dict[str, str]:
    """Return the reasons of what could not be encoded, by id or hash."""
    files = [path / f.path for shard in shards for f in shard.files if f.group == "rejects"]
    return {row["id"]: row["reason"] for table in read_tables(files) for row in table.to_pylist()}


def _check_share(
    captions: Sequence[Shard], ingest: StageRecord, settings: EmbedSettings, folder: StageFolder
) -> None:
    """Raise InputError if a side has no vectors, or too many captions could not be encoded."""
    rejects: Counter[str] = Counter()
    for shard in captions:
        rejects.update(shard.rejects)
    for label in ("safe", "unsafe"):
        if ingest.rows(label) and not _count(captions, label):
            raise InputError(
                f"embed: no {label} caption could be embedded ({json.dumps(dict(rejects))}); "
                f"see {folder.path}/rejects-*.parquet for their ids, then fix the pool or "
                "embed.source"
            )
    rows = sum(shard.rows_in for shard in captions)
    if rejects.total() > settings.max_reject_share * rows and rejects.total() >= _FEW_REJECTS:
        raise InputError(
            f"embed: {rejects.total()} of {rows} captions could not be embedded "
            f"({json.dumps(dict(rejects))}), more than max_reject_share allows "
            f"({settings.max_reject_share:.1%}); see {folder.path}/rejects-*.parquet for the "
            "ids, then fix the pool or raise --max-reject-share"
        )


def _count(shards: Sequence[Shard], group: str) -> int:
    return sum(file.rows for shard in shards for file in shard.files if file.group == group)
