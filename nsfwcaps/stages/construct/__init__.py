"""construct: write unsafe counterparts of safe captions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nsfwcaps.models import names
from nsfwcaps.stage import Stage
from nsfwcaps.stages.construct.settings import ConstructSettings


def _headline(facts: Mapping[str, Any]) -> str:
    alignment = facts["alignment"]["mean"]
    return f"{facts['pairs']:,} pairs, mean alignment {alignment:.3f}{_unmet_quotas(facts)}"


def _unmet_quotas(facts: Mapping[str, Any]) -> str:
    lacking = [
        f"{item['missing']:,} of {item['quota']:,} {name}"
        for name, item in facts["category"].items()
        if item["missing"]
    ]
    if not lacking:
        return ""
    steps = facts["steps"]
    # Each usable caption is edited once per category; once all are, only new captions help.
    more = steps["requests"] < steps["usable"] * len(facts["category"])
    advice = "raise --tries to ask for more edits" if more else "a larger --pool gives more edits"
    return f"; missing: {', '.join(lacking)} ({advice})"


def _results(settings: ConstructSettings, workdir: Path) -> Iterator[str]:
    pools = workdir / "pools"
    yield f"Pools: {pools}; described in {pools / 'README.md'}"


CONSTRUCT = Stage(
    name="construct",
    settings=ConstructSettings,
    module="nsfwcaps.stages.construct.run",
    subject="nsfwcaps.stages.construct.subject",
    headline=_headline,
    results=_results,
    delivers="pools",
    needs=lambda settings: names.extras_of(settings.aligner),
    models=lambda settings: {"aligner": settings.aligner},
    intermediate=True,
    owns=("safe", "unsafe"),
    has_own_command=True,
)
