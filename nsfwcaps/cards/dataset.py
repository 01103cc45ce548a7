"""The data set card: a template filled with measured facts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from nsfwcaps.cards import construction, template
from nsfwcaps.cards.croissant import usage
from nsfwcaps.config import digest
from nsfwcaps.enums import Pairing, Split
from nsfwcaps.schema import (
    FLAG_HELP,
    FLAGS_HELP,
    LABELS_HELP,
    NSFWCAPS_HELP,
    PAIRED_HELP,
    PARTNERS_HELP,
    PICTURE,
    PICTURES_HELP,
    PUBLISHED_HELP,
    REVIEW_HELP,
    SAFE_ITEMS,
    SAFE_ITEMS_HELP,
    kept_help,
)

_TEMPLATE = "dataset.md.j2"
_PART = "images.md.j2"

SAFE = "safe"
"""Folder and configuration of the safe items beside the pairs."""
_HELP = {
    **(NSFWCAPS_HELP | PUBLISHED_HELP | LABELS_HELP | PARTNERS_HELP),
    **(FLAGS_HELP | REVIEW_HELP | PICTURES_HELP),
}
_SPLITS = [split.value for split in Split]

# Size classes of the Hugging Face hub, with their upper limits in rows.
_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
)


def template_digest() -> str:
    """Digest of the templates and their texts."""
    wording = [
        hashlib.sha256(template.path(name).read_bytes()).hexdigest() for name in (_TEMPLATE, _PART)
    ]
    return digest(
        [
            wording,
            _HELP,
            SAFE_ITEMS_HELP,
            FLAG_HELP,
            PAIRED_HELP,
            construction.STEPS,
            construction.QUANTILES,
        ]
    )


def render(settings: Mapping[str, Any], manifest: Mapping[str, Any], columns: pa.Schema) -> str:
    """Fill the card of a published data set from its manifest."""
    stages = manifest["stages"]
    facts = stages["publish"]["facts"]
    paired = stages["mine"]["settings"]["pairing"] == Pairing.PARTNER
    meaning = meanings(manifest, columns)
    return template.fill(
        _TEMPLATE,
        front_matter=_front_matter(settings, manifest, columns),
        settings=settings,
        stages=stages,
        facts=facts,
        paired=paired,
        purposes=usage.GATE_PURPOSES,
        mine=_minima(stages["mine"]["settings"]),
        construction=construction.summary(stages),
        illustration=stages["illustrate"]["facts"] if "illustrate" in stages else None,
        review=facts.get("review"),
        safe_items=facts.get("safe_items"),
        # Absent in records of older versions.
        safe_side=stages["ingest"]["facts"].get("safe_side"),
        benchmarks=stages["ingest"]["facts"].get("benchmarks"),
        splits=[name for name in _SPLITS if name in facts["split"]],
        hidden=sum(pool.get("hidden_characters", 0) for pool in stages["ingest"]["facts"]["pools"]),
        flags=[(name, n, _flag_help(name)) for name, n in sorted(facts.get("flags", {}).items())],
        columns=[(field.name, _spelt(field.type), meaning[field.name]) for field in columns],
        safe_columns=[
            (field.name, _spelt(field.type), SAFE_ITEMS_HELP[field.name]) for field in SAFE_ITEMS
        ],
    )


def meanings(manifest: Mapping[str, Any], columns: pa.Schema) -> dict[str, str]:
    """Return what each column of the pairs means, by name."""
    paired = manifest["stages"]["mine"]["settings"]["pairing"] == Pairing.PARTNER
    known = _HELP | PAIRED_HELP if paired else _HELP
    return {name: known.get(name) or kept_help(name) for name in columns.names}


def _minima(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the least similarities of pairs and of candidates.

    Records of older versions have one of them, which was that of candidates under the other name.

    >>> _minima({"min_similarity": 0.5})
    {'min_similarity': None, 'min_candidate_similarity': 0.5}
    """
    names = ("min_similarity", "min_candidate_similarity")
    least, of_candidates = (settings.get(name) for name in names)
    older = "min_candidate_similarity" not in settings
    values = (None, least) if older else (least, of_candidates)
    return dict(zip(names, values, strict=True))


def _flag_help(flag: str) -> str:
    """Describe a flag of a pair.

    >>> _flag_help("safe_near_unsafe")
    'the safe caption is one with every content word of an unsafe caption'
    """
    side, _, name = flag.partition("_")
    return f"the {side} caption is {FLAG_HELP[name]}"


def _front_matter(
    settings: Mapping[str, Any], manifest: Mapping[str, Any], columns: pa.Schema
) -> str:
    """Return the YAML front matter for the hub and `datasets.load_dataset`."""
    import yaml

    rows = manifest["stages"]["publish"]["facts"]["split"]
    splits = [name for name in _SPLITS if name in rows]
    total = sum(rows.values())
    values: dict[str, Any] = {
        "pretty_name": settings["title"],
        "license": settings["license"],
        "language": ["en"],
        "task_categories": [
            "sentence-similarity",
            "image-to-text",
            "zero-shot-image-classification",
        ],
        "tags": ["safety", "vision-language", "not-for-all-audiences"],
        "size_categories": [next((name for end, name in _SIZES if total < end), "n>100M")],
        "source_datasets": ["original"],
        "extra_gated_prompt": usage.GATE_PROMPT,
        "extra_gated_fields": {
            "Affiliation": "text",
            "Intended use": "text",
            usage.GATE_PROMISE: "checkbox",
        },
        "configs": [_config(manifest, "default", "data", splits)],
        "dataset_info": _info(manifest, "data", {name: rows[name] for name in splits}, columns),
    }
    if items := _safe_rows(manifest):
        # `load_dataset` loads the configuration of the name `default` where none is named.
        values["configs"] += [_config(manifest, SAFE, SAFE, ["train"])]
        values["dataset_info"] = [
            {"config_name": "default", **values["dataset_info"]},
            {"config_name": SAFE, **_info(manifest, SAFE, {"train": items}, SAFE_ITEMS)},
        ]
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
    return text


def _safe_rows(manifest: Mapping[str, Any]) -> int:
    """Return the number of safe items beside the pairs."""
    return sum(file["rows"] for file in manifest["files"] if file["path"].startswith(f"{SAFE}/"))


def _config(
    manifest: Mapping[str, Any], name: str, folder: str, splits: Sequence[str]
) -> dict[str, Any]:
    files = [{"split": split, "path": f"{folder}/{split}-*.parquet"} for split in splits]
    # `datasets` caches by this front matter and not by content: without the digest, a data set
    # whose files are as large as those of another would load the other's rows.
    content = digest(
        [file["sha256"] for file in manifest["files"] if file["path"].startswith(f"{folder}/")]
    )
    return {
        "config_name": name,
        "description": f"Content {content[:16]}.",
        "data_files": files,
    }


def _info(
    manifest: Mapping[str, Any], folder: str, rows: Mapping[str, int], columns: pa.Schema
) -> dict[str, Any]:
    """Return the `dataset_info` of the files in a folder, given the rows of each split."""
    files = [file for file in manifest["files"] if file["path"].startswith(f"{folder}/")]

    def size(start: str) -> int:
        return sum(file["bytes"] for file in files if file["path"].startswith(start))

    return {
        "features": [_feature(field) for field in columns],
        "splits": [
            {
                "name": name,
                "num_examples": count,
                "num_bytes": size(f"{folder}/{name}-"),
            }
            for name, count in rows.items()
        ],
        "download_size": size(""),
        "dataset_size": size(""),
    }


def _feature(field: pa.Field) -> dict[str, Any]:
    """Describe a column as `datasets` does."""
    if pa.types.is_list(field.type) and not pa.types.is_struct(field.type.value_type):
        return {"name": field.name, "list": _dtype(field.type.value_type)}
    if pa.types.is_list(field.type):
        return {"name": field.name, "list": [_feature(part) for part in field.type.value_type]}
    return {"name": field.name, "dtype": _dtype(field.type)}


def _spelt(kind: pa.DataType) -> str:
    """Return the name of a type for display."""
    if pa.types.is_list(kind) and not pa.types.is_struct(kind.value_type):
        return f"list of {_dtype(kind.value_type)}"
    if pa.types.is_list(kind):
        return f"list of ({', '.join(part.name for part in kind.value_type)})"
    return _dtype(kind)


def _dtype(kind: pa.DataType) -> str:
    """Return the name of a type in `datasets`."""
    if kind == PICTURE:
        return "image"
    return {"float": "float32", "double": "float64"}.get(str(kind), str(kind))
