"""embed, plans: what is still to be encoded, without loading the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.errors import ArtifactError
from nsfwcaps.models import names
from nsfwcaps.models.create import label_of
from nsfwcaps.runtime.device import resolve_precision, torch_device
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.stages.embed.shards import maker
from nsfwcaps.stages.pace import kind_of_work
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.files import open_file

_KEYS = {"safe": "id", "unsafe": "id", "images": "image_sha256"}


def missing(settings: EmbedSettings, ingest: StageRecord) -> Mapping[str, Any]:
    """Return the numbers of captions and pictures to encode, if some are known, and the work."""
    if settings.source is not None:
        return {}
    folder = StageFolder(ingest.folder.parent / "embed")
    known = _known(settings, ingest, folder)
    model = model_of(settings, ingest)
    counts = {group: _missing(ingest, group, known.get(group, [])) for group in _KEYS}
    if not settings.images or model == names.MINILM:
        counts["images"] = 0
    captions, images = counts["safe"] + counts["unsafe"], counts["images"]
    found: dict[str, Any] = {}
    if any(known.values()):
        found = {"captions to encode": captions, "images to encode": images}
    work = {"captions": captions, "images": images, "loading": int(captions + images > 0)}
    return {**found, "work": {_kind(settings, model, what): n for what, n in work.items()}}


def named(
    settings: EmbedSettings, ingest: StageRecord, rates: Mapping[str, tuple[int, float]]
) -> dict[str, tuple[float, float]]:
    """Return what a run measured, by kind of work; without kinds that it did not do."""
    if settings.source is not None:
        return {}
    model = model_of(settings, ingest)
    return {_kind(settings, model, what): rate for what, rate in rates.items() if rate[0]}


def model_of(settings: EmbedSettings, ingest: StageRecord) -> str:
    """Return the model: the one in the settings, or the default for the pools."""
    with_images = settings.images and ingest.rows("images") > 0
    return settings.model or names.DEFAULTS[with_images]


def _kind(settings: EmbedSettings, model: str, what: str) -> str:
    return kind_of_work(what, model, settings.device, settings.precision)


def _known(
    settings: EmbedSettings, ingest: StageRecord, folder: StageFolder
) -> dict[str, list[Path]]:
    """Return the files of vectors, by group, that the model of the settings has made."""
    precision = resolve_precision(settings.precision, torch_device(settings.device))
    model = maker(label_of(model_of(settings, ingest)), precision.value)
    found: dict[str, list[Path]] = {}
    for shard in folder.finished_shards():
        if shard.facts.get("model") == model:
            group = shard.facts["group"]
            paths = [folder.path / file.path for file in shard.files if file.group == group]
            found.setdefault(group, []).extend(path for path in paths if path.is_file())
    return found


def _missing(ingest: StageRecord, group: str, known: list[Path]) -> int:
    """Return how many rows of a group have no vector."""
    if not known:
        return ingest.rows(group)
    key = _KEYS[group]
    try:
        there = pa.concat_arrays([open_file(path).column(key) for path in known])
    except ArtifactError:  # a run makes damaged files again
        return ingest.rows(group)
    left = 0
    for table in read_tables(ingest.paths(group), [key]):
        found = pc.is_in(table[key].combine_chunks(), value_set=there)
        left += len(found) - (pc.sum(found).as_py() or 0)
    return left
