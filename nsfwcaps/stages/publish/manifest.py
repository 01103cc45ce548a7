"""publish, manifest: settings, facts and digests of every stage, and the files of the data set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from nsfwcaps.artifacts import Shard, StageRecord
from nsfwcaps.captions.opening import shown
from nsfwcaps.config import output_settings
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.stages.grade.settings import GradeSettings
from nsfwcaps.stages.ingest.settings import IngestSettings
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.stages.publish.construction import constructed
from nsfwcaps.stages.publish.illustration import illustrated
from nsfwcaps.stages.publish.settings import PublishSettings

_HIDDEN = {"image_root", "safe_image", "unsafe_image", "model", "source"} | {
    field.name
    for section in (IngestSettings, EmbedSettings, MineSettings, GradeSettings)
    for field in fields(section)
    if not field.metadata["affects_output"]
}


def chain_of(inputs: Mapping[str, StageRecord]) -> dict[str, Any]:
    """Return facts of the stages; no times, paths or devices, so equal input gives equal output."""
    return (
        constructed(inputs)
        | illustrated(inputs)
        | {
            name: {
                "version": record.version,
                "settings": _of_interest(record.settings),
                "output_digest": record.output_digest,
                "rows_in": record.rows_in,
                "rejects": record.rejects,
                "facts": {
                    key: value
                    for key, value in record.facts.items()
                    if key not in ("device", "engine")
                },
            }
            for name, record in inputs.items()
            if name not in ("construct", "illustrate")
        }
    )


def manifest_of(
    settings: PublishSettings,
    chain: Mapping[str, Any],
    facts: Mapping[str, Any],
    shards: Sequence[Shard],
) -> dict[str, Any]:
    """Return settings, facts and digests of every stage, and the files of the data set."""
    return {
        "files": [
            {
                "path": "/".join(Path(file.path).parts[1:]),
                "rows": file.rows,
                "bytes": file.bytes,
                "sha256": file.sha256,
            }
            for shard in shards
            for file in shard.files
        ],
        "stages": {**chain, "publish": {"settings": shaping(settings), "facts": facts}},
    }


def shaping(settings: PublishSettings) -> dict[str, Any]:
    """Return the settings that affect the output; the path of a review does not.

    Without a review, its options are omitted, so that older releases keep their digests.
    """
    hidden = {"verdicts"} if settings.verdicts is not None else {"verdicts", "only_accepted"}
    return {name: v for name, v in output_settings(settings).items() if name not in hidden}


def _of_interest(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Drop settings that do not affect the output, and local paths.

    Pools keep their file names. `model` and `source` may be paths; the facts identify the encoder
    by its name and the digest of its weights.
    """
    return {
        key: [shown(str(item)).rpartition("/")[2] for item in value]
        if isinstance(value, list)
        else value
        for key, value in settings.items()
        if key not in _HIDDEN
    }


def as_json(value: Any) -> bytes:
    """Return a manifest as JSON."""
    return json.dumps(value, indent=1, sort_keys=True, default=_number).encode() + b"\n"


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not a JSON value")
