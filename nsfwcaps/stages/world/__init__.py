"""world: draw a synthetic world of icon scenes with known ground truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nsfwcaps.stage import Stage
from nsfwcaps.stages.world.settings import WorldSettings


def _headline(facts: Mapping[str, Any]) -> str:
    return f"{facts['safe']:,} safe and {facts['unsafe']:,} unsafe scenes"


def _results(settings: WorldSettings, workdir: Path) -> Iterator[str]:
    pools = workdir / "pools"
    yield f"Pools: {pools}; described in {pools / 'README.md'}"


WORLD = Stage(
    name="world",
    settings=WorldSettings,
    module="nsfwcaps.stages.world.run",
    subject="nsfwcaps.stages.world.subject",
    headline=_headline,
    results=_results,
    delivers="pools",
    intermediate=True,
    needs=lambda settings: {"world": "the icon world"},
    owns=("safe", "unsafe"),
)
