"""The card of a pool of generated images: a template filled with measured facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsfwcaps.cards import template
from nsfwcaps.config import digest
from nsfwcaps.files import sha256_file
from nsfwcaps.schema import ILLUSTRATED_HELP

_TEMPLATE = "illustrate.md.j2"
_PART = "images.md.j2"
"""Template part shared with the data set card."""


def template_digest() -> str:
    """Digest of the templates and their texts."""
    wording = [sha256_file(template.path(name)) for name in (_TEMPLATE, _PART)]
    return digest([wording, ILLUSTRATED_HELP])


def render(facts: Mapping[str, Any]) -> str:
    """Fill the card."""
    return template.fill(_TEMPLATE, illustration=facts, columns=ILLUSTRATED_HELP)
