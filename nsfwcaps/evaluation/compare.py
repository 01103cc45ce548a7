"""Paired comparisons of each model with the base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nsfwcaps.config import digest
from nsfwcaps.evaluation.results import ResultFolder, ResultId, number
from nsfwcaps.metrics.paired import paired
from nsfwcaps.progress import Progress

_VERSION = 3


def comparisons_key(
    results: ResultFolder,
    pairs: Sequence[tuple[ResultId, ResultId]],
    others: Sequence[Mapping[str, Any]],
    *,
    seed: int,
    samples: int,
    margin: float,
) -> str:
    """Digest of everything the comparisons depend on."""
    hashes = [[results.read(part)["nsfwcaps"]["values_sha256"] for part in pair] for pair in pairs]
    places = [[part.place for part in pair] for pair in pairs]
    beside = [[test[key] for key in ("dataset", "task", "figure", "model", "p")] for test in others]
    return digest([_VERSION, places, hashes, beside, seed, samples, margin])


def compare(
    results: ResultFolder,
    pairs: Sequence[tuple[ResultId, ResultId]],
    progress: Progress,
    *,
    seed: int,
    samples: int,
) -> list[dict[str, Any]]:
    """Compare every figure present in both the base's part and the model's.

    Figures without per-query values, such as the weight deviation, have no test. `samples` is the
    number of random sign flips of tests that have no exact p.
    """
    tests: list[dict[str, Any]] = []
    with progress.task("compare", len(pairs), unit="parts") as advance:
        for base, model in pairs:
            before, after = results.values(base), results.values(model)
            units, unbounded = results.units(model), results.unbounded(model)
            for name in after:
                if name not in before or len(before[name]) != len(after[name]):
                    continue
                if not len(after[name]):
                    continue
                found = paired(
                    before[name],
                    after[name],
                    seed=seed,
                    units=units.get(name),
                    bounded=name not in unbounded,
                    flips=samples,
                )
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
    return tests
