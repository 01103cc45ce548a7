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
    return f"; missing: {', '.join(lacking)}" if lacking else ""


def _notes(facts: Mapping[str, Any]) -> Iterator[str]:
    """Say of each quota that is not filled why, and what helps."""
    usable = facts["steps"]["usable"]
    for name, item in facts["category"].items():
        if not item["missing"]:
            continue
        requests = item.get("requests", facts["steps"]["requests"])
        blocked = sum(item["skipped"].values())
        over = f", {blocked:,} of them over a limit of the selection" if blocked else ""
        passed = f"{item['candidates']:,} of {requests:,} edits passed{over}"
        yield f"{name}: {passed}; {_help(name, item, requests < usable)}"


def _help(name: str, item: Mapping[str, Any], more: bool) -> str:
    """Return what fills a quota; `more` tells whether some captions were not asked for it."""
    limits = {"element_share": "--element-share", "near_duplicate": "--near-duplicate"}
    raised = [option for limit, option in limits.items() if item["skipped"].get(limit)]
    ways = [
        *(["more --tries"] if more else []),
        *(f"a higher {option}" for option in raised),
        *(["a larger --pool"] if not more else []),
        "a model as --editor",
    ]
    helps = f"{', '.join(ways[:-1])} or {ways[-1]} would give more"
    return f"{helps}, --share '{name}=0.5' asks for fewer"


def _results(settings: ConstructSettings, workdir: Path) -> Iterator[str]:
    pools = workdir / "pools"
    yield f"Pools: {pools}; described in {pools / 'README.md'}"


def _alone(settings: ConstructSettings) -> str | None:
    """Leave an endpoint to one process, which keeps to the user's number of requests."""
    if not settings.editor.startswith("openai:"):
        return None
    return "one process asks the editor's endpoint, with --parallel requests at a time"


CONSTRUCT = Stage(
    name="construct",
    settings=ConstructSettings,
    module="nsfwcaps.stages.construct.run",
    subject="nsfwcaps.stages.construct.subject",
    shares="nsfwcaps.stages.construct.shares",
    alone=_alone,
    headline=_headline,
    notes=_notes,
    results=_results,
    delivers="pools",
    needs=lambda settings: names.extras_of(settings.aligner),
    models=lambda settings: {"aligner": settings.aligner},
    intermediate=True,
    owns=("safe", "unsafe"),
    has_own_command=True,
)
