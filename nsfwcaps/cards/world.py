"""The card of an icon world: a template filled with settings and counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsfwcaps.cards import template
from nsfwcaps.config import digest
from nsfwcaps.files import sha256_file
from nsfwcaps.schema import WORLD_HELP
from nsfwcaps.world import distance, vocabulary

_TEMPLATE = "world.md.j2"


def template_digest() -> str:
    """Digest of the template and its texts."""
    return digest([sha256_file(template.path(_TEMPLATE)), WORLD_HELP])


def render(settings: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Fill the card."""
    return template.fill(
        _TEMPLATE,
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
