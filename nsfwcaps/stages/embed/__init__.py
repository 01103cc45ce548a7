"""embed: turn every caption and picture into a unit vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsfwcaps.models import names
from nsfwcaps.stage import Stage
from nsfwcaps.stages.embed.settings import EmbedSettings


def _headline(facts: Mapping[str, Any]) -> str:
    return f"{sum(facts['captions'].values()):,} vectors by {facts['encoder']['name']}"


EMBED = Stage(
    name="embed",
    settings=EmbedSettings,
    module="nsfwcaps.stages.embed.run",
    headline=_headline,
    reads=("ingest",),
    needs=lambda settings: names.extras_of(settings.model),
)
