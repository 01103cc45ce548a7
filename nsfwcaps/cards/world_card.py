"""The card of a drawn world: a template filled with its settings and counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nsfwcaps import resources
from nsfwcaps.artifacts import sha256_file
from nsfwcaps.config import digest
from nsfwcaps.schema import WORLD_HELP
from nsfwcaps.world import distance, vocabulary


def template_digest() -> str:
    """Digest of the template and the texts that it prints."""
    return digest([sha256_file(_path()), WORLD_HELP])


def render(settings: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Fill the card."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_path().parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(_path().name).render(
        settings=settings,
        facts=facts,
        columns=WORLD_HELP,
        costs={
            name.removeprefix("COST_").lower(): getattr(distance, name)
            for name in dir(distance)
            if name.startswith("COST_")
        },
        objects=len(vocabulary.OBJECTS),
        hazards=len(vocabulary.HAZARDS),
    )


def _path() -> Path:
    return resources.folder("data_cards") / "world.md.j2"
