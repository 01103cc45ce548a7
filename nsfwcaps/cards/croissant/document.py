"""The whole description, from the manifest of a data set and the columns of its files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from nsfwcaps.cards.croissant import fields, origin, rai, usage
from nsfwcaps.cards.croissant.vocabulary import CONTEXT, CROISSANT, RAI
from nsfwcaps.enums import Split
from nsfwcaps.schema import SAFE_ITEMS_HELP

NAME = "croissant.json"
PAIRS, SAFE = "pairs", "safe"
"""Record sets of the pairs and of the safe items."""
FOLDERS = {PAIRS: "data", SAFE: "safe"}
"""Folder of the files of each."""
_PARQUET = "application/x-parquet"


def describe(
    settings: Mapping[str, Any],
    manifest: Mapping[str, Any],
    columns: Mapping[str, pa.Schema],
    meanings: Mapping[str, str],
) -> dict[str, Any]:
    """Describe a published data set.

    Args:
        settings: of publish; `title` and `license` are read.
        manifest: content of `manifest.json`.
        columns: schema of the files of each record set, `pairs` and, where there are any, `safe`.
        meanings: meaning of each column of the pairs.
    """
    stages = manifest["stages"]
    rows = stages["publish"]["facts"]["split"]
    names = [split.value for split in Split if split.value in rows]
    records = [fields.splits(names), _pairs(columns[PAIRS], meanings, rows)]
    if SAFE in columns:
        records.append(_safe(columns[SAFE], manifest))
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [CROISSANT, RAI],
        "name": settings["title"],
        "description": _description(stages),
        "license": usage.licence(settings["license"]),
        "inLanguage": "en",
        "keywords": ["safety", "vision-language", "not-for-all-audiences"],
        "usageInfo": usage.terms(settings["license"]),
        **rai.properties(stages),
        "prov:wasDerivedFrom": origin.derived_from(stages),
        "prov:wasGeneratedBy": origin.generated_by(stages),
        "distribution": [
            *(_file(file, stages) for file in manifest["files"]),
            *(_files(name, names if name == PAIRS else ["train"]) for name in columns),
        ],
        "recordSet": records,
    }


def as_json(description: Mapping[str, Any]) -> bytes:
    """Return a description as the content of `croissant.json`."""
    return json.dumps(description, indent=1, ensure_ascii=False).encode() + b"\n"


def _description(stages: Mapping[str, Any]) -> str:
    facts = stages["publish"]["facts"]
    splits = ", ".join(
        f"{facts['split'][name.value]:,} {name.value}" for name in Split if name in facts["split"]
    )
    return (
        f"{facts['pairs']:,} pairs of an unsafe and a safe caption ({splits}), graded from easy to "
        "hard, for the safety fine-tuning of vision-language models."
    )


def _pairs(
    columns: pa.Schema, meanings: Mapping[str, str], rows: Mapping[str, int]
) -> dict[str, Any]:
    found = fields.record_set(
        PAIRS,
        "pair_id",
        columns,
        meanings,
        f"{sum(rows.values()):,} pairs of an unsafe caption and a safe one.",
    )
    for field in found["field"]:
        if field["name"] == "split":
            field["references"] = {"field": {"@id": f"{fields.SPLITS}/name"}}
    return found


def _safe(columns: pa.Schema, manifest: Mapping[str, Any]) -> dict[str, Any]:
    count = sum(file["rows"] for file in manifest["files"] if file["path"].startswith("safe/"))
    text = f"{count:,} safe captions with images, to preserve in training."
    return fields.record_set(SAFE, "safe_id", columns, SAFE_ITEMS_HELP, text)


def _file(file: Mapping[str, Any], stages: Mapping[str, Any]) -> dict[str, Any]:
    label = "safe" if file["path"].startswith(f"{FOLDERS[SAFE]}/") else None
    return {
        "@type": "cr:FileObject",
        "@id": file["path"],
        "name": file["path"],
        "description": f"{file['rows']:,} rows.",
        "contentUrl": file["path"],
        "contentSize": f"{file['bytes']} B",
        "encodingFormat": _PARQUET,
        "sha256": file["sha256"],
        "prov:wasDerivedFrom": origin.pools_of(stages, label),
        "prov:wasGeneratedBy": {"@id": origin.stage_id("publish")},
    }


def _files(records: str, splits: Sequence[str]) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": fields.files_id(records),
        "name": fields.files_id(records),
        "description": f"The files of {records}.",
        "encodingFormat": _PARQUET,
        "includes": [f"{FOLDERS[records]}/{split}-*.parquet" for split in splits],
    }
