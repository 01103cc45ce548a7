"""illustrate: draw an image for each unsafe caption written by construct."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nsfwcaps.stage import IN_RUN, Recipe, Stage
from nsfwcaps.stages.illustrate.settings import IllustrateSettings

ILLUSTRATED = f"{IN_RUN}pools/illustrated"
"""Pool of the unsafe captions with the drawn images, as a URL relative to the run."""


def _headline(facts: Mapping[str, Any]) -> str:
    labels = ", ".join(f"{count:,} {label}" for label, count in facts["label"].items())
    return f"{facts['images']:,} images by {facts['painter']['name']}: {labels}"


def _results(settings: IllustrateSettings, workdir: Path) -> Iterator[str]:
    pool = workdir / "pools" / "illustrated"
    yield f"Images: {pool}; described in {pool}.md"


def _problems(recipe: Recipe) -> Sequence[str]:
    """Report before hours of drawing that no stage reads the images."""
    ingest = recipe.get("ingest")
    if ingest is None:
        return []
    if any(name.startswith(ILLUSTRATED) for name in (*ingest.unsafe, *ingest.pool)):
        return []
    return [
        "ingest.unsafe: does not read the images drawn by illustrate; "
        f"set ingest.unsafe={ILLUSTRATED}"
    ]


def _completed(recipe: Recipe) -> IllustrateSettings:
    """Apply the image exclusion lists of `construct` to the drawn images too."""
    drawn: IllustrateSettings = recipe["illustrate"]
    if "construct" not in recipe:
        return drawn
    lists = dict.fromkeys((*recipe["construct"].image_hashes, *drawn.image_hashes))
    return dataclasses.replace(drawn, image_hashes=tuple(lists))


ILLUSTRATE = Stage(
    name="illustrate",
    settings=IllustrateSettings,
    module="nsfwcaps.stages.illustrate.run",
    headline=_headline,
    results=_results,
    reads=("construct",),
    delivers="pools",
    intermediate=True,
    owns=("illustrated",),
    problems=_problems,
    completed=_completed,
    checks=True,
)
