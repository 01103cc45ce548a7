"""mine: find the closest safe counterparts of every unsafe caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    reads=("embed",),
    reads_too=_reads_too,
    problems=_problems,
)
