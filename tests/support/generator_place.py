"""A tiny pipeline, a tiny LLaVA and the models that their towers came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """Names by which models, pipeline and LLaVA are loaded."""

    base: str
    """An open_clip model; its towers are those of pipeline and LLaVA."""
    exported: Path
    """The same as a `CLIPModel`."""
    other: str
    """A model built alike, of other weights."""
    run: Path
    """The folder of a run that trained the base."""
    pipeline: Path
    llava: Path
