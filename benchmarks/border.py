"""The cosine below which a mined pair is more likely wrong than right, for each bundled encoder.

    python benchmarks/border.py --distractors CAPTIONS.parquet --pairs PAIRS.parquet

Mines one counterpart for each unsafe caption with the defaults, and knows which pairs are right: of
PAIRS (columns `unsafe` and `safe`), those whose target is the gold one; of the icon world, those
whose target is among the closest safe scenes. `mini` knows only icons, so it is measured there.

The border is the cosine at which a pair is as likely wrong as right, by a logistic regression of
right on the cosine; it is printed as chosen on all pairs. The shares beside it show what it is
worth on pairs that it was not chosen on: each half is judged by the border of the other half.
Intervals are Wilson's. In pools with fewer good counterparts, more pairs are wrong on both sides.

Gold pairs are a hard test: a target that is not the gold one may still be sensible.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from quality import _gold
from stages import run_stage

from nsfwcaps.metrics.proportions import Share, share

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_STEPS = 25
_EXACT = 1e-4
"""Graph distances closer than this are equal."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Mined pairs: their cosines `[p]`, and which are right `[p]`."""

    cosines: Values
    right: Mask


def main() -> None:
    """Mine, judge, and print a row for each encoder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--distractors", required=True)
    parser.add_argument("--pairs", required=True)
    parser.add_argument("--scenes", type=int, default=4000)
    parser.add_argument("--run", help="Folder to keep the run of the gold pairs in, for later.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        found = {
            ("minilm", "gold pairs"): _of_gold(options, Path(options.run or root / "gold")),
            **{
                (model, "icon world"): _of_world(options.scenes, model, root / "world")
                for model in ("mini", "minilm")
            },
        }
    print(
        "| encoder | on | pairs | right | border | wrong below it | right above it | AUC |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for (model, on), judged in found.items():
        print(_row(model, on, judged))
    print("\nShares of the gold pairs below other cosines:\n\n| cosine | pairs below | wrong |")
    print("|---|---|---|")
    for cosine, below in _ladder(found["minilm", "gold pairs"]):
        print(f"| {cosine:.2f} | {below.of:,} | {_shown(below)} |")


def border(judged: Judged) -> float:
    """Return the cosine at which a pair is as likely wrong as right, by logistic regression.

    >>> right = np.array([0, 0, 1, 0, 1, 1], dtype=bool)
    >>> round(border(Judged(cosines=np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), right=right)), 3)
    0.35
    """
    columns = np.stack([np.ones_like(judged.cosines), judged.cosines], axis=1)  # [p, 2]
    weights = np.zeros(2)
    for _ in range(_STEPS):  # Newton's method
        likely = 1 / (1 + np.exp(-columns @ weights))
        curve = (columns * (likely * (1 - likely))[:, None]).T @ columns
        weights += np.linalg.solve(curve, columns.T @ (judged.right - likely))
    return float(-weights[0] / weights[1])


def halves(judged: Judged) -> tuple[Share, Share]:
    """Return the shares wrong below and right above, each half judged by the other's border."""
    count = len(judged.right)
    first = np.random.default_rng(0).permutation(count) < count / 2
    below = np.zeros(count, dtype=np.bool_)
    for half in (first, ~first):
        other = Judged(cosines=judged.cosines[~half], right=judged.right[~half])
        below[half] = judged.cosines[half] < border(other)
    wrong = int((below & ~judged.right).sum())
    right = int((~below & judged.right).sum())
    return share(wrong, int(below.sum())), share(right, int((~below).sum()))


def _row(model: str, on: str, judged: Judged) -> str:
    wrong, right = halves(judged)
    return (
        f"| {model} | {on} | {len(judged.right):,} | {judged.right.mean():.3f} "
        f"| {border(judged):.3f} | {_shown(wrong)} | {_shown(right)} | {_auc(judged):.3f} |"
    )


def _shown(found: Share) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}] of {found.of:,}"


def _ladder(judged: Judged) -> Iterator[tuple[float, Share]]:
    for cosine in np.arange(0.3, 0.85, 0.05):
        below = judged.cosines < cosine
        yield float(cosine), share(int((below & ~judged.right).sum()), int(below.sum()))


def _auc(judged: Judged) -> float:
    from scipy.stats import mannwhitneyu

    right, wrong = judged.cosines[judged.right], judged.cosines[~judged.right]
    return float(mannwhitneyu(right, wrong).statistic / (len(right) * len(wrong)))


def _of_gold(options: Any, run: Path) -> Judged:
    pools = {"safe": [options.distractors, options.pairs], "unsafe": options.pairs}
    run_stage("ingest", pools, run)
    run_stage("embed", {"model": "minilm"}, run)
    rows = _pairs(run_stage("mine", {}, run))
    gold = _gold(options.pairs)
    return Judged(
        cosines=np.array([row["sim_text"] for row in rows]),
        right=np.array([gold[row["unsafe_id"]] == row["safe_id"] for row in rows]),
    )


def _of_world(scenes: int, model: str, run: Path) -> Judged:
    """Judge each pair by the scenes: right if no safe scene is closer than its target."""
    from nsfwcaps.world.distance import distance_blocks
    from nsfwcaps.world.truth import read_scenes

    run_stage("world", {"scenes": scenes}, run)
    pools = {label: str(run / "pools" / label) for label in ("safe", "unsafe")}
    run_stage("ingest", pools, run)
    run_stage("embed", {"model": model, "images": False}, run)
    rows = _pairs(run_stage("mine", {}, run))
    safe, unsafe = (read_scenes(Path(pools[label])) for label in ("safe", "unsafe"))
    place = {name: column for column, name in enumerate(safe)}
    targets = np.array([place[row["safe_id"]] for row in rows])
    right = np.zeros(len(rows), dtype=np.bool_)
    asked = [unsafe[row["unsafe_id"]] for row in rows]
    for start, apart in distance_blocks(asked, list(safe.values())):  # [b, m]
        own = apart[np.arange(len(apart)), targets[start : start + len(apart)]]
        right[start : start + len(apart)] = own <= apart.min(axis=1) + _EXACT
    return Judged(cosines=np.array([row["sim_text"] for row in rows]), right=right)


def _pairs(record: Any) -> list[dict[str, Any]]:
    from nsfwcaps.tables import read_tables

    columns = ["unsafe_id", "safe_id", "sim_text"]
    return [
        row for table in read_tables(record.paths("pairs"), columns) for row in table.to_pylist()
    ]


if __name__ == "__main__":
    main()
