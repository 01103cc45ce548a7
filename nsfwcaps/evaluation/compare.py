"""Paired tests of whether each model differs from the base, corrected over all comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nsfwcaps.config import digest
from nsfwcaps.evaluation.results import ResultFolder, ResultId, number
from nsfwcaps.metrics.bootstrap import holm, paired
from nsfwcaps.progress import Progress

LEVEL = 0.05

_VERSION = 1


def comparisons_key(
    results: ResultFolder,
    pairs: Sequence[tuple[ResultId, ResultId]],
    others: Sequence[Mapping[str, Any]],
    *,
    seed: int,
    samples: int,
) -> str:
    """Digest of everything the comparisons depend on."""
    hashes = [[results.read(part)["nsfwcaps"]["values_sha256"] for part in pair] for pair in pairs]
    places = [[part.place for part in pair] for pair in pairs]
    beside = [[test[key] for key in ("dataset", "task", "figure", "model", "p")] for test in others]
    return digest([_VERSION, places, hashes, beside, seed, samples])


def compare(
    results: ResultFolder,
    pairs: Sequence[tuple[ResultId, ResultId]],
    progress: Progress,
    *,
    seed: int,
    samples: int,
) -> list[dict[str, Any]]:
    """Test every figure present in both the base's part and the model's, with Holm-adjusted p.

    Figures without per-query values, such as the weight deviation, have no test.
    """
    tests: list[dict[str, Any]] = []
    with progress.task("compare", len(pairs), unit="parts") as advance:
        for base, model in pairs:
            before, after = results.values(base), results.values(model)
            for name in after:
                if name not in before or len(before[name]) != len(after[name]):
                    continue
                if not len(after[name]):
                    continue
                found = paired(before[name], after[name], seed=seed, samples=samples)
                tests.append(
                    {
                        "dataset": model.dataset,
                        "task": model.task.value,
                        "figure": name,
                        "base": base.model,
                        "model": model.model,
                        "difference": number(found.difference),
                        "low": number(found.low),
                        "high": number(found.high),
                        "p": number(found.p),
                    }
                )
            advance(1)
    return together(tests)


def together(tests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add Holm-adjusted p-values and the verdict at the level of 5 % to the tests."""
    adjusted = holm([np.nan if test["p"] is None else test["p"] for test in tests])
    return [
        {**test, "p_holm": number(p), "shown": bool(p < LEVEL)}
        for test, p in zip(tests, adjusted, strict=True)
    ]
