"""mine: find the closest safe counterparts of every unsafe caption."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nsfwcaps.enums import Pairing
from nsfwcaps.stage import Recipe, Stage
from nsfwcaps.stages.mine.settings import MineSettings


def _headline(facts: Mapping[str, Any]) -> str:
    hubs = facts["hubs"]
    return (
        f"{facts['pairs']:,} pairs, {hubs['distinct_targets']:,} distinct safe targets, "
        f"largest hub {hubs['largest_hub']}"
    )


def _notes(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what decided the targets, where there are pictures, and how many pairs were cut."""
    pictures, by = facts.get("pictures", {}), facts.get("similarity")
    if any(pictures.values()) and by is not None:
        yield _DECIDED[by].format(**pictures)
    if below := facts.get("pairs_below_min_similarity"):
        yield f"pairs below min_similarity, set aside: {below:,}"


_DECIDED = {
    "text": "targets by text: pictures took no part (--similarity image or both)",
    "image": "targets by image: {safe:,} safe captions with a picture were candidates",
    "both": "targets by text and image: {safe:,} safe captions with a picture were candidates",
}


def _problems(recipe: Recipe) -> Sequence[str]:
    """Report a missing pool before anything is embedded."""
    ingest = recipe.get("ingest")
    if ingest is None or ingest.pool:
        return []
    return [
        f"ingest.{label}: no pool, and mine needs one; set --{label} or ingest.{label}, "
        "or a mixed --pool with --label-column"
        for label in ("safe", "unsafe")
        if not getattr(ingest, label)
    ]


def _reads_too(settings: MineSettings) -> tuple[str, ...]:
    """Read ingest only if partners are needed, so that a changed category repeats no search."""
    return ("ingest",) if settings.pairing is Pairing.PARTNER else ()


MINE = Stage(
    name="mine",
    settings=MineSettings,
    module="nsfwcaps.stages.mine.run",
    headline=_headline,
    notes=_notes,
    reads=("embed",),
    reads_too=_reads_too,
    problems=_problems,
)
