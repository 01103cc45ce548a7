"""The card of constructed pools: a template filled with settings and measured facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsfwcaps.cards import template
from nsfwcaps.config import digest
from nsfwcaps.files import sha256_file
from nsfwcaps.schema import CONSTRUCTED_HELP

_TEMPLATE = "construct.md.j2"


def template_digest() -> str:
    """Digest of the template and its texts."""
    return digest([sha256_file(template.path(_TEMPLATE)), CONSTRUCTED_HELP])


def render(settings: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Fill the card."""
    return template.fill(_TEMPLATE, settings=settings, facts=facts, columns=CONSTRUCTED_HELP)
