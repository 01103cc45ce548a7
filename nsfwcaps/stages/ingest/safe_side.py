"""ingest: facts about the checks of `screen`, and the error if a side has no caption left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nsfwcaps.artifacts import Shard
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.errors import InputError
from nsfwcaps.stages.ingest.screen import FLAGGED, HAZARD, IN_BENCHMARK, NEAR_UNSAFE, Checks


def facts(checks: Checks, shards: Sequence[Shard]) -> dict[str, Any]:
    """Return what the safe side was checked by, and how many captions each check found."""
    counts = _counts(shards) + checks.verdicts.counts
    return {
        "screen": checks.screen.value,
        "screened": counts["screened"],
        FLAGGED: counts[FLAGGED],
        HAZARD: counts[HAZARD],
        NEAR_UNSAFE: counts[NEAR_UNSAFE],
        "detectors": [
            {
                **statement.as_json(),
                **{
                    what: counts[f"{statement.name} {what}"]
                    for what in ("scored", "unreadable", "unsafe")
                },
            }
            for statement in (*checks.texts.statements, *checks.pictures.statements)
        ],
    }


def benchmark_facts(checks: Checks, shards: Sequence[Shard]) -> list[dict[str, Any]]:
    """Return, for each benchmark, its captions and those found in each side of the pools."""
    counts = _counts(shards)
    return [
        {
            "name": item.name,
            "captions": item.captions,
            "unreadable": item.unreadable,
            **{label.value: counts[f"{IN_BENCHMARK} {place} {label}"] for label in Label},
        }
        for place, item in enumerate(checks.benchmarks)
    ]


def check_not_empty(found: Mapping[str, Any], shards: Sequence[Shard]) -> None:
    """Refuse pools of which a side has no caption left.

    Raises:
        InputError: every caption of a side was removed.
    """
    conflicts = found["safe_dropped_as_also_unsafe"]
    reasons = {
        label: sum(
            (Counter(shard.rejects) for shard in shards if _is_of(shard, label)), Counter[str]()
        )
        for label in Label
    }
    if found["captions"]["safe"] == 0 and conflicts and not reasons[Label.SAFE]:
        raise InputError(
            f"ingest: all {conflicts} safe captions are also in an unsafe pool, so no "
            "target is left; check that --safe and --unsafe are different pools"
        )
    for label, why in reasons.items():
        if found["captions"][label.value] == 0 and why:
            also = {"also unsafe": conflicts} if label is Label.SAFE and conflicts else {}
            listed = ", ".join(f"{count} {reason}" for reason, count in {**also, **why}.items())
            raise InputError(
                f"ingest: no {label} caption is left after the checks ({listed}); use another "
                f"--{label} pool, or change --screen, --safe-detector or --exclude"
            )


def _is_of(shard: Shard, label: Label) -> bool:
    return any(file.group == label.value for file in shard.files)


def _counts(shards: Sequence[Shard]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for shard in shards:
        counts.update(shard.facts["checks"])
    return counts
