"""embed: turn every caption and picture into a unit vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsfwcaps.models import names
from nsfwcaps.stage import Stage
from nsfwcaps.stages.embed.settings import EmbedSettings


def _headline(facts: Mapping[str, Any]) -> str:
    encoder = facts["encoder"]
    parts = [f"{sum(facts['captions'].values()):,} vectors by {encoder['name']}"]
    if cut := _by_side(facts.get("truncated", {})):
        parts.append(f"truncated at {encoder['context_length']} tokens: {cut}")
    if foreign := _by_side(facts.get("non_latin", {})):
        parts.append(f"not in Latin script, though it reads English: {foreign}")
    return "; ".join(parts)


def _by_side(counts: Mapping[str, int | None]) -> str:
    """Return counts by side in words; empty without any."""
    return ", ".join(f"{count:,} {side}" for side, count in counts.items() if count)


EMBED = Stage(
    name="embed",
    settings=EmbedSettings,
    module="nsfwcaps.stages.embed.run",
    shares="nsfwcaps.stages.embed.shares",
    headline=_headline,
    reads=("ingest",),
    folders=("source", "model"),
    needs=lambda settings: names.extras_of(settings.model),
    models=lambda own: {} if own.model is None or own.source else {"model": own.model},
)
