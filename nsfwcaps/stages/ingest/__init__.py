"""ingest: read caption pools, clean them, and give every caption its content id."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from nsfwcaps.enums import Screen
from nsfwcaps.stage import Recipe, Stage
from nsfwcaps.stages.ingest.settings import IngestSettings


def _headline(facts: Mapping[str, Any]) -> str:
    count = facts["captions"]
    hidden = sum(pool.get("hidden_characters", 0) for pool in facts["pools"])
    rest = f"; hidden characters removed from {hidden:,}" if hidden else ""
    rest = f"{_flagged(facts)}{_unread(facts)}{rest}"
    return f"{count['safe']:,} safe and {count['unsafe']:,} unsafe captions{rest}"


def _unread(facts: Mapping[str, Any]) -> str:
    """Rows of benchmarks that exclude nothing, as they could not be read."""
    counts = {item["name"]: item.get("unreadable", 0) for item in facts.get("benchmarks", ())}
    listed = ", ".join(f"{name}: {rows:,}" for name, rows in counts.items() if rows)
    return f"; unreadable benchmark rows ({listed})" if listed else ""


def _flagged(facts: Mapping[str, Any]) -> str:
    found = facts.get("safe_side", {})  # absent in older records
    if found.get("screen") != Screen.FLAG or not found["flagged"]:
        return ""
    names = [name for name in ("hazard", "near_unsafe") if found[name]]
    counts = names if len(names) == 1 else [f"{found[name]:,} {name}" for name in names]
    return f"; {found['flagged']:,} safe flagged ({', '.join(counts)})"


def _needs(settings: IngestSettings) -> Mapping[str, str]:
    from nsfwcaps.detectors import registry

    return registry.extras_of(settings.safe_detector, option="--safe-detector")


def _completed(recipe: Recipe) -> IngestSettings:
    """Exclude the benchmarks that construct excludes; keep the columns that publish groups by."""
    given: IngestSettings = recipe["ingest"]
    if "construct" in recipe:
        files = dict.fromkeys((*recipe["construct"].exclude, *given.exclude))
        given = dataclasses.replace(given, exclude=tuple(files))
    if "publish" in recipe and recipe["publish"].group_column:
        from nsfwcaps.captions.tables.kept import listed

        # A column that is kept already goes by the name given first.
        kept = listed((*given.keep_columns, *recipe["publish"].group_column))
        given = dataclasses.replace(given, keep_columns=kept)
    return given


def _notes(facts: Mapping[str, Any]) -> Iterator[str]:
    from nsfwcaps.stages.ingest.pool import column_lines

    yield from column_lines(facts["pools"])


INGEST = Stage(
    name="ingest",
    settings=IngestSettings,
    module="nsfwcaps.stages.ingest.run",
    shares="nsfwcaps.stages.ingest.shares",
    subject="nsfwcaps.stages.ingest.subject",
    headline=_headline,
    notes=_notes,
    paths=("safe", "unsafe", "pool"),
    reads_delivered="pools",
    completed=_completed,
    needs=_needs,
    checks=True,
)
