"""publish, construction: provenance of unsafe captions written in this run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.artifacts import StageRecord

_FACTS = (
    *("pairs", "steps", "rejects", "alignment", "category", "elements"),
    *("editor", "aligner", "detectors", "benchmark_captions"),
)


def constructed(inputs: Mapping[str, StageRecord]) -> dict[str, Any]:
    """Return the manifest entry of `construct`; empty if no pool it wrote was ingested.

    Settings are omitted, as they contain URLs and local paths.
    """
    record = ingested(inputs, "construct")
    if record is None:
        return {}
    facts = {name: record.facts[name] for name in _FACTS}
    facts["edit_detectors"] = record.facts.get("edit_detectors", [])  # absent in older records
    editor = facts["editor"]
    facts["editor"] = {**editor, "name": _without_place(editor["name"])}
    digest = record.output_digest
    return {"construct": {"version": record.version, "output_digest": digest, "facts": facts}}


def image_urls(inputs: Mapping[str, StageRecord]) -> dict[str, str]:
    """Return the image URLs of a constructed pool, by id of the safe caption."""
    record = ingested(inputs, "construct")
    found: dict[str, str] = {}
    for path in record.paths("dataset") if record is not None else []:
        if path.suffix != ".parquet" or "image_coco_url" not in pq.read_schema(path).names:
            continue
        table: pa.Table = pq.read_table(path, columns=["id", "image_coco_url"], partitioning=None)
        found |= {row["id"]: row["image_coco_url"] for row in table.to_pylist()}
    return found


def ingested(inputs: Mapping[str, StageRecord], stage: str) -> StageRecord | None:
    """Return the record of a stage that writes pools if they were ingested, else None."""
    record = inputs.get(stage)
    if record is None:
        return None
    made = {file.sha256 for file in record.files}
    pools = inputs["ingest"].facts["pools"]
    return record if any(pool["sha256"] in made for pool in pools) else None


def _without_place(editor: str) -> str:
    """Return the name of an editor without its URL or folder.

    >>> _without_place("openai:http://localhost:8000/v1#llama-3-70b")
    'openai:llama-3-70b'
    >>> _without_place("local:models/chat/")
    'local:chat'
    """
    kind, colon, rest = editor.partition(":")
    place, sharp, model = rest.partition("#")
    return f"{kind}{colon}{model if sharp else place.rstrip('/').rpartition('/')[2]}"
