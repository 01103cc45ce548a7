"""ingest: read caption pools, clean them, and give every caption its content id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nsfwcaps.stage import Stage
from nsfwcaps.stages.ingest.settings import IngestSettings


def _headline(facts: Mapping[str, Any]) -> str:
    count = facts["captions"]
    hidden = sum(pool.get("hidden_characters", 0) for pool in facts["pools"])
    rest = f"; hidden characters removed from {hidden:,}" if hidden else ""
    return f"{count['safe']:,} safe and {count['unsafe']:,} unsafe captions{rest}"


def _notes(facts: Mapping[str, Any]) -> Iterator[str]:
    from nsfwcaps.stages.ingest.pool import column_lines

    yield from column_lines(facts["pools"])


INGEST = Stage(
    name="ingest",
    settings=IngestSettings,
    module="nsfwcaps.stages.ingest.run",
    headline=_headline,
    notes=_notes,
    paths=("safe", "unsafe", "pool"),
    reads_delivered="pools",
)
