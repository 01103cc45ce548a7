"""The card of an exported model: a template filled with facts from the run's files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsfwcaps.captions.overlap import Overlap
from nsfwcaps.cards import template

_TEMPLATE = "model.md.j2"
_SCORES = {
    "safe_text_to_image": "safe captions that find their picture (R@1)",
    "safe_image_to_text": "safe pictures that find their caption (R@1)",
    "unsafe_text_to_image": "unsafe captions that are redirected to their safe picture (R@1)",
    "unsafe_image_to_text": "unsafe pictures that are redirected to their safe caption (R@1)",
    "unsafe_first": "unsafe queries whose nearest item is unsafe",
}


def render(facts: Mapping[str, Any]) -> str:
    """Fill the card."""
    before, after = facts["before"], facts["after"]
    rows = [(label, before[key], after[key]) for key, label in _SCORES.items() if key in before]
    found = facts["training"].get("overlap")
    overlap = Overlap(**found) if found else None
    return template.fill(_TEMPLATE, facts=facts, scores=rows, overlap=overlap)
