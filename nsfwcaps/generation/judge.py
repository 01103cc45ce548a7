"""Detector scores of generated items, cached by content so that each is computed once.

    FOLDER/<detector>-<digest>.jsonl   one row per scored item

Changing a threshold does not invalidate scores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nsfwcaps.detectors.detector import Detector, Scores
from nsfwcaps.generation.generator import GeneratedItem
from nsfwcaps.generation.manifest import Manifest
from nsfwcaps.progress import Progress

_BATCH = 64
_UNSAFE_CHARS = re.compile(r"[^\w.-]+", re.ASCII)


def judge(
    detectors: Sequence[Detector[Any]],
    items: Sequence[Sequence[GeneratedItem]],
    folder: Path,
    progress: Progress,
) -> dict[str, Scores]:
    """Score s items of each of q queries; return arrays `[q, s]` by detector name."""
    flat = {item.sha256: item for row in items for item in row}
    return {
        detector.statement.name: _arranged(_scores(detector, flat, folder, progress), items)
        for detector in detectors
    }


def _scores(
    detector: Detector[Any], items: Mapping[str, GeneratedItem], folder: Path, progress: Progress
) -> dict[str, float]:
    statement = detector.statement
    name = _UNSAFE_CHARS.sub("-", statement.name)
    kept = Manifest(folder / f"{name}-{statement.scores_digest[:12]}.jsonl")
    todo = [item for sha256, item in items.items() if sha256 not in kept.rows]
    done = len(items) - len(todo)
    with progress.task(f"judge {name}"[:16], len(items), unit="items", done=done) as advance:
        for start in range(0, len(todo), _BATCH):
            batch = todo[start : start + _BATCH]
            scores = detector.score([item.read() for item in batch])
            kept.add(
                [
                    {"item": item.sha256, "score": float(score)}
                    for item, score in zip(batch, scores, strict=True)
                ]
            )
            advance(len(batch))
    return {sha256: kept.rows[sha256]["score"] for sha256 in items}


def _arranged(scores: Mapping[str, float], items: Sequence[Sequence[GeneratedItem]]) -> Scores:
    return np.array([[scores[item.sha256] for item in row] for row in items], dtype=np.float64)
