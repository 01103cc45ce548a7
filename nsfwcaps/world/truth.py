"""Quality of mined pairs, measured against the scene graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nsfwcaps.tables import read_tables
from nsfwcaps.world.distance import distance_blocks
from nsfwcaps.world.scene import Scene

_EXACT = 1e-4


@dataclass(frozen=True, kw_only=True)
class TruthScore:
    """Scores of mined pairs against the ground truth; graph distances, averaged over pairs."""

    pairs: int
    precision: float
    """Share of pairs whose target is one of the closest safe scenes of the whole pool."""
    mined_distance: float
    nearest_distance: float
    """The value if every target were one of the closest."""
    chance: float
    """Precision of a randomly drawn target."""
    difficulty_correlation: float | None
    """Spearman's rank correlation of difficulty and distance; None if either is constant."""


def read_scenes(folder: Path) -> dict[str, Scene]:
    """Read the scenes of a world's pool by id.

    Raises:
        ArtifactError: a file of the pool is damaged.
    """
    paths = sorted(folder.glob("*.parquet"))
    rows = (row for table in read_tables(paths, ["id", "scene"]) for row in table.to_pylist())
    return {row["id"]: Scene.from_json(row["scene"]) for row in rows}


def read_edits(folder: Path) -> dict[str, str]:
    """Read by id how the hazard of each unsafe scene came in: added or replaced.

    Raises:
        ArtifactError: a file of the pool is damaged.
    """
    paths = sorted(folder.glob("*.parquet"))
    rows = (row for table in read_tables(paths, ["id", "edit"]) for row in table.to_pylist())
    return {row["id"]: row["edit"] for row in rows}


def score(
    pairs: Sequence[tuple[str, str]],
    difficulty: Sequence[float],
    *,
    safe: Mapping[str, Scene],
    unsafe: Mapping[str, Scene],
) -> TruthScore:
    """Score pairs `[p]` of (unsafe id, safe id) with their difficulties `[p]`."""
    from scipy.stats import spearmanr

    place = {item: column for column, item in enumerate(safe)}
    targets = np.array([place[safe_id] for _, safe_id in pairs])  # [p]
    scenes = [unsafe[unsafe_id] for unsafe_id, _ in pairs]
    mined, nearest, ties = (np.empty(len(pairs), dtype=np.float32) for _ in range(3))
    for start, apart in distance_blocks(scenes, list(safe.values())):  # [b, m]
        rows = np.arange(len(apart))
        here = slice(start, start + len(apart))
        mined[here] = apart[rows, targets[here]]
        nearest[here] = apart.min(axis=1)
        ties[here] = (apart <= nearest[here, None] + _EXACT).sum(axis=1)
    varied = len(set(difficulty)) > 1 and float(np.ptp(mined)) > 0
    return TruthScore(
        pairs=len(pairs),
        precision=float((mined <= nearest + _EXACT).mean()),
        mined_distance=float(mined.mean()),
        nearest_distance=float(nearest.mean()),
        chance=float((ties / len(safe)).mean()),
        difficulty_correlation=float(spearmanr(mined, difficulty).statistic) if varied else None,
    )


def score_by_edit(
    pairs: Sequence[tuple[str, str]],
    difficulty: Sequence[float],
    *,
    safe: Mapping[str, Scene],
    unsafe: Mapping[str, Scene],
    edits: Mapping[str, str],
) -> dict[str, TruthScore]:
    """Score the pairs of each edit apart; an edit without pairs has no score."""
    scores = {}
    for edit in sorted({edits[unsafe_id] for unsafe_id, _ in pairs}):
        rows = [row for row, (unsafe_id, _) in enumerate(pairs) if edits[unsafe_id] == edit]
        scores[edit] = score(
            [pairs[row] for row in rows],
            [difficulty[row] for row in rows],
            safe=safe,
            unsafe=unsafe,
        )
    return scores
