"""Mining against ground truth: is the closest safe scene found, and does difficulty track distance?

    python benchmarks/world.py --scenes 4000

Draws a world, embeds its captions with each encoder, mines with each ranking, and scores the pairs
by scene graphs. "precision" is the share of targets among the closest safe scenes of the whole
pool. "distance" is the mean graph distance of the targets (the last line has that of the closest).
"difficulty" is Spearman's rank correlation of a pair's difficulty with that distance, and "low
cosine" the same for the published signal alone. "added" and "replaced" are the precision where the
hazard is a thing more than its partner has, or takes the place of one. The first table compares
the world's fixed partners with the nearest captions, by cosine. Rows by image or by both are for
encoders that read pictures.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from stages import run_stage

_RANKS: dict[str, dict[str, Any]] = {
    "cosine (plain arg max)": {"rank": "cosine"},
    "csls": {"rank": "csls"},
    "inverted softmax (default)": {},
    "default, hub_cap 1": {"hub_cap": 1},
    "default, by image": {"similarity": "image"},
    "default, by both": {"similarity": "both"},
    "cosine, by image": {"rank": "cosine", "similarity": "image"},
    "cosine, by both": {"rank": "cosine", "similarity": "both"},
}


def main() -> None:
    """Draw, embed, mine and score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=4000)
    parser.add_argument("--looseness", type=float, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--models", nargs="+", default=["minilm", "mini"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        print("| looseness | encoder | cosine to fixed partner | to nearest |\n|---|---|---|---|")
        for looseness in options.looseness:
            run = root / f"loose-{looseness}"
            run_stage("world", {"scenes": options.scenes, "looseness": looseness}, run)
            for model in options.models:
                _embed(run, model, images=False)
                fixed, nearest = _tightness(run)
                print(f"| {looseness:g} | {model} | {fixed:.3f} | {nearest:.3f} |", flush=True)
        run = root / "mined"
        run_stage("world", {"scenes": options.scenes}, run)
        print(
            "\n| encoder | ranking | pairs | precision | added | replaced "
            "| distance | difficulty | low cosine |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        score: Any = None
        for model in options.models:
            pictures = _embed(run, model, images=True)
            for name, settings in _RANKS.items():
                if "similarity" in settings and not pictures:
                    continue
                score, by_edit, low_cosine = _mined(run, settings)
                print(
                    f"| {model} | {name} | {score.pairs:,} | {score.precision:.3f} "
                    f"| {by_edit['added'].precision:.3f} | {by_edit['replaced'].precision:.3f} "
                    f"| {score.mined_distance:.3f} "
                    f"| {score.difficulty_correlation:.3f} | {low_cosine:.3f} |",
                    flush=True,
                )
        print(
            f"| | the closest | | 1 | 1 | 1 | {score.nearest_distance:.3f} | | |\n\n"
            f"precision of a random target {score.chance:.4f}"
        )


def _embed(run: Path, model: str, *, images: bool) -> bool:
    """Embed the captions, and the pictures if asked and the model reads them: return whether."""
    pools = {label: str(run / "pools" / label) for label in ("safe", "unsafe")}
    run_stage("ingest", pools, run)
    record = run_stage("embed", {"model": model, "images": images}, run)
    return bool(record.rows("images"))


def _tightness(run: Path) -> tuple[float, float]:
    """Mean cosine of unsafe captions to their fixed partner, and to the nearest safe caption."""
    import pyarrow.parquet as pq

    ids, rows = {}, {}
    for label in ("safe", "unsafe"):
        record = _record(run, "embed")
        tables = [pq.read_table(path) for path in record.paths(label)]
        ids[label] = [item for table in tables for item in table["id"].to_pylist()]
        rows[label] = np.concatenate(
            [np.array(table["vector"].to_pylist(), dtype=np.float32) for table in tables]
        )
    paths = sorted((run / "pools" / "unsafe").glob("*.parquet"))
    partner = {
        row["id"]: row["partner_id"]
        for path in paths
        for row in pq.read_table(path, columns=["id", "partner_id"]).to_pylist()
    }
    place = {item: number for number, item in enumerate(ids["safe"])}
    own = np.array([place[partner[item]] for item in ids["unsafe"]])
    sims = rows["unsafe"] @ rows["safe"].T  # [u, s]
    return float(sims[np.arange(len(own)), own].mean()), float(sims.max(axis=1).mean())


def _mined(run: Path, settings: dict[str, Any]) -> tuple[Any, Mapping[str, Any], float]:
    from nsfwcaps.tables import read_tables
    from nsfwcaps.world.truth import read_edits, read_scenes, score, score_by_edit

    run_stage("mine", settings, run)
    graded = run_stage("grade", {}, run)
    columns = ["unsafe_id", "safe_id", "difficulty", "sim_text"]
    rows = [
        row for table in read_tables(graded.paths("pairs"), columns) for row in table.to_pylist()
    ]
    scenes = {label: read_scenes(run / "pools" / label) for label in ("safe", "unsafe")}
    pairs = [(row["unsafe_id"], row["safe_id"]) for row in rows]
    difficulty = [row["difficulty"] for row in rows]
    by_difficulty = score(pairs, difficulty, **scenes)
    edits = read_edits(run / "pools" / "unsafe")
    by_edit = score_by_edit(pairs, difficulty, **scenes, edits=edits)
    by_cosine = score(pairs, [-row["sim_text"] for row in rows], **scenes)
    assert by_cosine.difficulty_correlation is not None
    return by_difficulty, by_edit, by_cosine.difficulty_correlation


def _record(run: Path, name: str) -> Any:
    from nsfwcaps.artifacts import StageFolder

    return StageFolder(run / name).record()


if __name__ == "__main__":
    main()
