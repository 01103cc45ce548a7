"""train, selection: how the pairs of a data set were chosen and graded, from its manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    return {
        "pairing": mined.get("pairing"),
        "rank": mined.get("rank"),
        "graded_by": [name for name, weight in weights.items() if weight],
    }


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
