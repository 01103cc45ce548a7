"""train, selection: how the pairs of a data set were chosen and graded, from its manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from nsfwcaps.errors import InputError

Facts = Mapping[str, Any]

_WEIGHTS = ("similarity", "margin", "density")
_PAPER = {"pairing": "nearest", "rank": "cosine", "graded_by": ["similarity"]}


def manifest_stages(data: Path) -> Mapping[str, Any]:
    """Return the stages in a data set's manifest, by name.

    Raises:
        InputError: the manifest is missing or damaged.
    """
    try:
        stages: Mapping[str, Any] = json.loads((data / "manifest.json").read_bytes())["stages"]
        stages["embed"]["facts"]["encoder"].keys()
        stages["mine"]["settings"].keys()
        stages["grade"]["settings"].keys()
    except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
        raise InputError(
            f"train.data: {data / 'manifest.json'} is missing or damaged, so the encoder of the "
            "pairs is unknown; publish the data set again"
        ) from None
    return stages


def selection_of(stages: Mapping[str, Any]) -> dict[str, Any]:
    """Return how pairs were chosen (`pairing`, `rank`) and what their difficulty weighs."""
    mined, graded = stages["mine"]["settings"], stages["grade"]["settings"]
    weights = {name: graded.get(f"{name}_weight") for name in _WEIGHTS}
    rank, by = mined.get("rank"), mined.get("similarity", "text")
    return {
        "pairing": mined.get("pairing"),
        "rank": rank if by == "text" else f"{rank} by {by}",
        "graded_by": [name for name, weight in weights.items() if weight],
    }


def published_safe_items(stages: Mapping[str, Any], files: Sequence[Path]) -> dict[str, int | None]:
    """Return how many safe items a data set has (`found`), and at most was to have (`asked`).

    `asked` is None for a data set of a version that published none.
    """
    asked = stages.get("publish", {}).get("settings", {}).get("safe_items")
    return {"found": sum(pq.read_metadata(path).num_rows for path in files), "asked": asked}


def why_no_pool(safe_items: Facts) -> str:
    """Say why a run preserved none of a data set's safe items, and what helps."""
    if found := safe_items["found"]:
        return (
            f"none of the {found:,} safe items of the data set is usable: each equals a partner or "
            "has no usable picture"
        )
    if safe_items["asked"] == 0:
        return (
            "the data set was published without safe items (safe_items: 0); publish it with some "
            "to preserve items of the whole safe pool"
        )
    if safe_items["asked"] is None:
        return (
            "the data set has no safe items; publish it again to preserve items of the whole safe "
            "pool"
        )
    return (
        "the data set has no safe items: its folder safe is empty or was left out; copy it whole, "
        "or publish it again, to preserve items of the whole safe pool"
    )


def difference_to_paper(selection: Facts) -> str | None:
    """Return a sentence on what differs from SafeR-CLIP's selection; None if nothing does."""
    if dict(selection) == _PAPER:
        return None
    chosen = "paired with their partners"
    if selection["pairing"] == _PAPER["pairing"]:
        chosen = f"ranked by {selection['rank']}"
    graded = " and ".join(selection["graded_by"]) or "nothing"
    return (
        f"Pairs are {chosen} and graded by {graded}; SafeR-CLIP: cosine, and similarity alone "
        "(the recipe 'paper' builds such pairs and trains on them)"
    )
