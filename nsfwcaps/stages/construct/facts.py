"""construct: facts of the record, which headline and card show."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from nsfwcaps.construction import selection
from nsfwcaps.stages.construct.edit import EditChecker, EditRejects
from nsfwcaps.stages.construct.read import SafePool
from nsfwcaps.stages.construct.rounds import Rounds, Selected


def facts_of(
    pool: SafePool, screened: EditRejects, checker: EditChecker, rounds: Rounds, made: Selected
) -> dict[str, Any]:
    """Return the facts of a run with at least one pair."""
    rows = made.rows
    rejects, alternatives = Counter[str](), Counter[str]()
    for block in rounds.blocks:
        rejects.update(block.rejects)
        alternatives.update(block.facts["alternatives"])
    sims = np.array([row["alignment"] for row in rows], dtype=np.float64)
    elements = Counter(selection.element_key(row["element"]) for row in rows)
    excluded = screened.excluded - pool.excluded_images
    usable = len(pool.items) - len(screened.rows) - excluded
    return {
        "pairs": len(rows),
        "steps": {
            "rows": pool.rows,
            "captions": len(pool.items),
            "usable": usable,
            "requests": rounds.requests.total(),
            "proposals": sum(block.facts["answered"] for block in rounds.blocks),
            "ranked": sum(block.facts["ranked"] for block in rounds.blocks),
            "candidates": made.candidates,
            "pairs": len(rows),
        },
        "copies_folded": pool.copies,
        "rejects": {
            "pool": pool.rejects,
            "safe": screened.counts,
            "edits": dict(sorted(rejects.items())),
            "alternatives": dict(sorted(alternatives.items())),
        },
        "alignment": {
            "mean": round(float(sims.mean()), 4),
            **{
                name: round(float(np.quantile(sims, at)), 4)
                for name, at in (("min", 0), ("p10", 0.1), ("p50", 0.5), ("p90", 0.9), ("max", 1))
            },
        },
        "category": {
            category.value: {
                **asdict(item),
                "missing": item.missing,
                "requests": rounds.requests[category],
            }
            for category, item in made.filled.items()
        },
        "elements": {"distinct": len(elements), "most": max(elements.values())},
        "template": dict(sorted(Counter(row["template"] or "free" for row in rows).items())),
        "editor": {**asdict(checker.editor.statement), "models": list(checker.editor.models)},
        "aligner": {
            "name": checker.encoder.identity.name,
            "digest": checker.encoder.identity.digest,
        },
        "plausibility": checker.ranking.statement,
        "detectors": [detector.statement.as_json() for detector in checker.detectors],
        "edit_detectors": [detector.statement.as_json() for detector in checker.edit_detectors],
        "benchmark_captions": len(checker.benchmark.keys),
    }
