"""Quality of mining: finding gold counterparts among distractors, for each option.

    python benchmarks/quality.py --distractors CAPTIONS.parquet --pairs PAIRS.parquet

PAIRS has the columns `unsafe` and `safe`, one gold pair per row. The safe pool is its safe column
plus the distractors. R@1 and the hub figures are those of the mined pairs (k = 1). R@10 and the
mean reciprocal rank use twenty counterparts (k = 20, without hub cap, which would otherwise apply
to twenty times as many pairs). "Right" is the share of gold pairs among the mined ones.
"Difficulty" is the ROC AUC of a pair's difficulty for telling wrong counterparts from right ones;
"low cosine" is the same for the published signal alone, and "nearly" for difficulty again, where a
near-duplicate of the gold counterpart, at a cosine of 0.85, is right. "Gain" is R@1 less that of
the first row, with the paired 95 % interval.

The best ranking is chosen on the very pairs that it is measured on. So the last line chooses one on
each half of the pairs and measures it on the other half.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from stages import run_stage

from nsfwcaps.metrics.paired import Comparison, paired

Values = npt.NDArray[np.float64]

_SHALLOW = {"hub_cap", "margin_duplicate"}
"""Settings whose rows have no ranks beyond the first: these would be others, or the default's."""

_NEAR = 0.85
_PLAIN = "cosine (plain arg max, as the paper)"
_ROWS: dict[str, dict[str, Any]] = {
    _PLAIN: {"rank": "cosine"},
    "csls, k = 10": {"rank": "csls"},
    "csls, k = 5": {"rank": "csls", "csls_k": 5},
    "inverted softmax, β = 10": {"beta": 10},
    "**default**: inverted softmax, β = 20": {},
    "inverted softmax, β = 30": {"beta": 30},
    "cosine, hub_cap 1": {"rank": "cosine", "hub_cap": 1},
    "default, hub_cap 1": {"hub_cap": 1},
    "default, hub_cap 2": {"hub_cap": 2},
    "cosine, reciprocal 1": {"rank": "cosine", "reciprocal": 1},
    "default, reciprocal 1": {"reciprocal": 1},
    "default, reciprocal 5": {"reciprocal": 5},
    "default, min_similarity 0.5": {"min_similarity": 0.5},
    "default, min_candidate_similarity 0.5": {"min_candidate_similarity": 0.5},
    "default, margin_duplicate 1": {"margin_duplicate": 1},
    "default, margin_duplicate 0.95": {"margin_duplicate": 0.95},
    "default, margin_duplicate 0.75": {"margin_duplicate": 0.75},
    "default, skip identical only": {"skip": "identical"},
    "default, index IVF64,Flat": {"index": "IVF64,Flat"},
}


def main() -> None:
    """Embed once, then mine with every option."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--distractors", required=True)
    parser.add_argument("--pairs", required=True)
    parser.add_argument("--model", default="minilm")
    options = parser.parse_args()
    gold = _gold(options.pairs)
    with tempfile.TemporaryDirectory() as scratch:
        workdir = Path(scratch)
        record = run_stage(
            "ingest",
            {"safe": [options.distractors, options.pairs], "unsafe": options.pairs},
            workdir,
        )
        captions = record.facts["captions"]
        run_stage("embed", {"model": options.model}, workdir)
        print(f"{options.model}: {len(gold):,} gold pairs, {captions['safe']:,} safe captions\n")
        heads = (
            *("R@1", "gain", "R@10", "MRR", "pairs", "right", "distinct targets", "largest hub"),
            *("Gini", "difficulty", "low cosine", "nearly"),
        )
        print("| | " + " | ".join(heads) + " |")
        print("|---" * (len(heads) + 1) + "|")
        hits: dict[str, Values] = {}
        for name, settings in _ROWS.items():
            print(_row(name, settings, gold, workdir, hits), flush=True)
    print(f"\nchosen on one half, measured on the other: {_shown(_halves(hits))}")


def _halves(hits: dict[str, Values]) -> Comparison:
    """Compare the ranking that is best on one half of the pairs with the plain one on the other.

    Both halves take part; settings that restrict pairs do not.
    """
    names = [name for name in hits if set(_ROWS[name]) <= {"rank", "beta", "csls_k"}]
    count = len(hits[_PLAIN])
    first = np.random.default_rng(0).permutation(count) < count / 2
    chosen = np.empty(count)
    for half in (first, ~first):
        best = max(names, key=lambda name: float(hits[name][~half].mean()))
        chosen[half] = hits[best][half]
    return paired(hits[_PLAIN], chosen, seed=0)


def _shown(gain: Comparison) -> str:
    return f"{gain.difference:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"


def _gold(pairs: str) -> dict[str, str]:
    import pyarrow.parquet as pq

    from nsfwcaps.captions.normalize import content_id, normalize

    table = pq.read_table(pairs, columns=["unsafe", "safe"])
    ids = (
        [content_id(normalize(text)) for text in table[name].to_pylist()]
        for name in ("unsafe", "safe")
    )
    return dict(zip(*ids, strict=True))


def _row(
    name: str,
    settings: dict[str, Any],
    gold: dict[str, str],
    workdir: Path,
    hits: dict[str, Values],
) -> str:
    """Mine and return a row of the table; add the hits `[u]` at the first place to `hits`."""
    deep = "-", "-"
    if not _SHALLOW & set(settings):
        ranks = _ranks(run_stage("mine", {**settings, "k": 20}, workdir), gold)
        deep = f"{(ranks <= 10).mean():.3f}", f"{(1 / ranks).mean():.3f}"
    record = run_stage("mine", settings, workdir)
    graded = run_stage("grade", {}, workdir)
    first, hubs = _ranks(record, gold), record.facts["hubs"]
    right = (first == 1).sum() / record.facts["pairs"]
    hits[name] = (first == 1).astype(np.float64)
    gain = _shown(paired(hits[_PLAIN], hits[name], seed=0)) if name != _PLAIN else ""
    return (
        f"| {name} | {(first == 1).mean():.3f} | {gain} | {deep[0]} | {deep[1]} "
        f"| {record.facts['pairs']:,} | {right:.3f} | {hubs['distinct_targets']:,} "
        f"| {hubs['largest_hub']} | {hubs['gini']:.3f} "
        f"| {_auc(graded, gold, 'difficulty'):.3f} | {1 - _auc(graded, gold, 'sim_text'):.3f} "
        f"| {_auc(graded, _nearly(gold, workdir), 'difficulty'):.3f} |"
    )


def _ranks(record: Any, gold: dict[str, str]) -> Any:
    """Return the rank `[u]` of every gold counterpart; infinite if not found."""
    found = dict.fromkeys(gold, np.inf)
    for row in _pairs(record, ["unsafe_id", "safe_id", "rank"]):
        if gold[row["unsafe_id"]] == row["safe_id"]:
            found[row["unsafe_id"]] = row["rank"]
    return np.array(list(found.values()))


def _nearly(gold: dict[str, str], workdir: Path) -> dict[str, set[str]]:
    """Return the safe captions that count as right, by unsafe caption."""
    from nsfwcaps.artifacts import StageFolder
    from nsfwcaps.vectors.store import VectorTable

    record = StageFolder(workdir / "embed").record()
    assert record is not None, "embedded before"
    table = VectorTable(record.paths("safe"))
    ids = table.column("id", np.arange(table.rows)).to_pylist()
    place = {item: row for row, item in enumerate(ids)}
    rows = table.read(0, table.rows).astype(np.float32)
    return {
        unsafe: {ids[row] for row in np.flatnonzero(rows @ rows[place[safe]] >= _NEAR)} | {safe}
        for unsafe, safe in gold.items()
    }


def _auc(record: Any, right: Mapping[str, str | set[str]], sign: str) -> float:
    """Return the ROC AUC of a column as a sign of a wrong pair (Mann-Whitney U)."""
    from scipy.stats import rankdata

    rows = _pairs(record, ["unsafe_id", "safe_id", sign])
    # An id is in a text only if it is the text: ids have one length.
    wrong = np.array([row["safe_id"] not in right[row["unsafe_id"]] for row in rows])
    ranks = rankdata([row[sign] for row in rows])
    count = int(wrong.sum())
    return float((ranks[wrong].sum() - count * (count + 1) / 2) / (count * (len(rows) - count)))


def _pairs(record: Any, columns: list[str]) -> list[dict[str, Any]]:
    from nsfwcaps.tables import read_tables

    return [
        row for table in read_tables(record.paths("pairs"), columns) for row in table.to_pylist()
    ]


if __name__ == "__main__":
    main()
