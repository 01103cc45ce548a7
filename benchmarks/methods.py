"""Gains and costs of fine-tuning methods on equal terms.

    python benchmarks/methods.py --flickr8k FLICKR8K.parquet --caltech101 CALTECH101.parquet

Every method adapts the heads of `mini` (LoRA, rank 16, both towers) on the same pairs of the icon
world, for the same epochs, over the same range of learning rates. The rate is chosen by the sum of
six R@1 on validation data only: the four of a tight validation world, and both of Flickr8k's dev
split. At that rate three seeds are trained. The tables give mean and standard deviation on data
used for no choice: a tight test world (pairs as in NSFWCaps), a loose one (as in ViSU), both with
objects, hazards and phrasings unseen in training, Caltech-101, and Flickr8k's test split. The
curves show the main methods at every learning rate, over the same seeds.

Finished runs are kept in --folder: rerun the same command to resume.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nsfwcaps.config import digest
from nsfwcaps.enums import AdapterInputs
from nsfwcaps.training.curriculum import Curriculum
from nsfwcaps.training.methods import METHODS, Method

RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
SEEDS = (0, 1, 2)
MAIN = ("safe-only", "Safe-CLIP", "SafeR-CLIP", "subspace")

_BASE = "CLIP (mini), untuned"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A table row: a method, its targets for unsafe items, and the interpolation strength."""

    method: Method
    targets: str = "nearest"
    strength: float = 1.0
    """Interpolates weights between the start (0) and the end of training (1)."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run."""

    name: str
    rate: float
    seed: int


def rows() -> dict[str, Row]:
    """Return all rows to be trained."""
    safer, safe = METHODS["safer-clip"], METHODS["safe-clip"]
    subspace = METHODS["subspace"]
    out = {
        "safe-only": Row(method=METHODS["safe-only"]),
        "Safe-CLIP": Row(method=safe, targets="fixed"),
        "SafeR-CLIP": Row(method=safer),
    }
    for targets in ("nearest", "fixed"):
        for relative in (True, False):
            for curriculum in (Curriculum.PROGRESSIVE, Curriculum.NONE):
                loss = "relative" if relative else "InfoNCE"
                order = "levels" if curriculum is Curriculum.PROGRESSIVE else "no levels"
                method = replace(
                    safer,
                    curriculum=curriculum,
                    weights=safer.weights if relative else _in_batch(safer.weights),
                )
                if method != safer or targets != "nearest":
                    out[f"{targets}, {loss}, {order}"] = Row(method=method, targets=targets)
    sage = {"spread_text": 2.0, "spread_image": 2.0}
    near = {"neighbours_text": 0.1, "neighbours_image": 0.1}
    keep = {"preserve_text": 5.0, "preserve_image": 5.0}
    return out | {
        "SafeR-CLIP, hub cap": Row(method=safer, targets="capped"),
        "SafeR-CLIP, 4 weighted targets": Row(method=safer, targets="several"),
        "SafeR-CLIP + SAGE terms": Row(method=_more(safer, sage | near)),
        "SafeR-CLIP + SAGE terms, neighbours x 100": Row(
            method=_more(safer, sage | dict.fromkeys(near, 10.0))
        ),
        "SafeR-CLIP, half way (WiSE-FT)": Row(method=safer, strength=0.5),
        "SafeR-CLIP, preservation x 5": Row(method=_more(safer, keep)),
        "SafeR-CLIP, difference adapters": Row(
            method=replace(safer, adapter_inputs=AdapterInputs.DIFFERENCE)
        ),
        "subspace": Row(method=subspace),
        "subspace, half way": Row(method=subspace, strength=0.5),
        "subspace + SAGE terms, neighbours x 100": Row(
            method=_more(subspace, sage | dict.fromkeys(near, 10.0))
        ),
    }


def _in_batch(weights: Mapping[str, float]) -> dict[str, float]:
    """Redirect by InfoNCE with in-batch negatives instead of the relative loss."""
    return {name.replace("relative_", "redirect_"): weight for name, weight in weights.items()}


def _more(method: Method, weights: Mapping[str, float]) -> Method:
    return replace(method, weights={**method.weights, **weights})


class Results:
    """Scores of runs, appended to a file as each run finishes."""

    def __init__(self, path: Path, of: Mapping[str, Row]) -> None:
        self._path, self._key = path, {name: digest(_plain(row)) for name, row in of.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self._scores = {
            (item["key"], item["rate"], item["seed"]): item["scores"]
            for item in map(json.loads, lines)
        }

    def has(self, run: Run) -> bool:
        """Whether a run is finished."""
        return (self._key[run.name], run.rate, run.seed) in self._scores

    def of(self, run: Run) -> dict[str, float]:
        """Return the scores of a finished run."""
        found: dict[str, float] = self._scores[self._key[run.name], run.rate, run.seed]
        return found

    def add(self, run: Run, scores: dict[str, float]) -> None:
        """Store the scores of a run."""
        key = self._key[run.name]
        self._scores[key, run.rate, run.seed] = scores
        item = {"key": key, "name": run.name, "rate": run.rate, "seed": run.seed, "scores": scores}
        with self._path.open("a") as file:
            file.write(json.dumps(item) + "\n")


def _plain(row: Row) -> dict[str, Any]:
    method = row.method
    return {
        "weights": dict(method.weights),
        "curriculum": method.curriculum,
        "divisor": method.divisor,
        "adapter_inputs": method.adapter_inputs,
        "targets": row.targets,
        "strength": row.strength,
    }


_lab: Any = None


def _start(options: dict[str, Any]) -> None:
    import torch

    from tools.mini.lab import Lab

    torch.set_num_threads(1)
    global _lab
    _lab = Lab(**options)


def _score(run: Run) -> tuple[Run, dict[str, float]]:
    row = rows()[run.name]
    heads = _lab.fit(row.method, row.targets, learning_rate=run.rate, seed=run.seed)
    return run, _lab.score(_lab.between(heads, row.strength))


def _score_base() -> dict[str, float]:
    scores: dict[str, float] = _lab.score(_lab.heads)
    return scores


def main() -> None:
    """Train what is missing, choose learning rates, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--flickr8k", type=Path, required=True)
    parser.add_argument("--caltech101", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("runs/methods"))
    parser.add_argument("--pairs", type=int, default=2000, help="Pairs to train on.")
    parser.add_argument("--held", type=int, default=1000, help="Pairs in each other world.")
    parser.add_argument("--world-seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="Concurrent training runs.")
    parser.add_argument("--figure", type=Path, help="Output file for the curves (SVG).")
    options = parser.parse_args()
    lab = {
        "folder": options.folder / f"world-{options.world_seed}",
        "flickr8k": options.flickr8k,
        "caltech101": options.caltech101,
        "pairs": options.pairs,
        "held": options.held,
        "seed": options.world_seed,
    }
    _start(lab)  # computes shared inputs before the workers start
    table = rows()
    results = Results(lab["folder"] / f"results-{options.pairs}-{options.held}.jsonl", table)
    work = [Run(name=name, rate=rate, seed=SEEDS[0]) for name in table for rate in RATES]
    work += [
        Run(name=name, rate=rate, seed=s) for s in SEEDS[1:] for name in MAIN for rate in RATES
    ]
    _train(work, results, lab, options.jobs)
    chosen = {name: _chosen(name, results) for name in table}
    _train(
        [Run(name=name, rate=chosen[name], seed=seed) for seed in SEEDS for name in table],
        results,
        lab,
        options.jobs,
    )
    base = _score_base()
    _print_tables(base, chosen, results)
    _print_curves(results)
    _print_goal(base, chosen, results)
    if options.figure:
        _draw(base, results, options.figure)


def _train(work: Sequence[Run], results: Results, lab: dict[str, Any], jobs: int) -> None:
    left = [run for run in work if not results.has(run)]
    # Spawn, not fork: threads of FAISS and torch do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _start, (lab,)) as pool:
        for number, future in enumerate(as_completed([pool.submit(_score, run) for run in left])):
            run, scores = future.result()
            results.add(run, scores)
            print(f"{number + 1} of {len(left)}: {run.name}, {run.rate:g}, {run.seed}", flush=True)


def _chosen(name: str, results: Results) -> float:
    """Return the learning rate with the best criterion, which uses validation data only."""
    return max(RATES, key=lambda r: results.of(Run(name=name, rate=r, seed=SEEDS[0]))["criterion"])


_Columns = Mapping[str, Sequence[str]]

_MAIN_COLUMNS: _Columns = {
    "T*→V": ["tight T*→V"],
    "V*→T": ["tight V*→T"],
    "T*→V closest": ["tight T*→V closest"],
    "V*→T closest": ["tight V*→T closest"],
    "unsafe first": ["tight unsafe first"],
    "T→V": ["tight T→V"],
    "V→T": ["tight V→T"],
    "Caltech-101": ["Caltech-101"],
    "Flickr8k T→V": ["Flickr8k test T→V"],
    "Flickr8k V→T": ["Flickr8k test V→T"],
}
_STRUCTURE_COLUMNS: _Columns = {
    "loose T*→V": ["loose T*→V"],
    "loose V*→T": ["loose V*→T"],
    "loose closest (both)": ["loose T*→V closest", "loose V*→T closest"],
    "loose unsafe first": ["loose unsafe first"],
    "spread text": ["spread text"],
    "spread image": ["spread image"],
    "overlap text": ["overlap text"],
    "overlap image": ["overlap image"],
    "deviation text": ["deviation text"],
    "deviation image": ["deviation image"],
}


def _print_tables(base: Mapping[str, float], chosen: Mapping[str, float], results: Results) -> None:
    for columns in (_MAIN_COLUMNS, _STRUCTURE_COLUMNS):
        print(f"\n| method | lr | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 2)}")
        cells = [f"{100 * _mean([base], keys)[0]:.1f}" for keys in columns.values()]
        print(f"| {_BASE} | | {' | '.join(cells)} |")
        for name, rate in chosen.items():
            seeds = [results.of(Run(name=name, rate=rate, seed=seed)) for seed in SEEDS]
            cells = []
            for keys in columns.values():
                values = 100 * np.array(_mean(seeds, keys))
                cells.append(f"{values.mean():.1f} ± {values.std(ddof=1):.1f}")
            print(f"| {name} | {rate:g} | {' | '.join(cells)} |")


def _mean(seeds: Iterable[Mapping[str, float]], keys: Sequence[str]) -> list[float]:
    return [float(np.mean([scores[key] for key in keys])) for scores in seeds]


_REDIRECTION = ("tight T*→V", "tight V*→T")
_KNOWLEDGE = ("Caltech-101",)


def _curve(name: str, keys: Sequence[str], results: Results) -> list[Any]:
    """Return the values `[s]` over seeds, for each learning rate."""
    return [
        np.array(_mean((results.of(Run(name=name, rate=rate, seed=s)) for s in SEEDS), keys))
        for rate in RATES
    ]


def _print_curves(results: Results) -> None:
    print("\nRedirection (mean of both directions) / Caltech-101, by learning rate:\n")
    print(f"| method | {' | '.join(f'{rate:g}' for rate in RATES)} |\n|{'---|' * (len(RATES) + 1)}")
    for name in MAIN:
        redirected, known = (_curve(name, keys, results) for keys in (_REDIRECTION, _KNOWLEDGE))
        cells = [
            f"{100 * one.mean():.1f} / {100 * other.mean():.1f}"
            for one, other in zip(redirected, known, strict=True)
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def _print_goal(base: Mapping[str, float], chosen: Mapping[str, float], results: Results) -> None:
    """Print redirection and loss of zero-shot accuracy, ours beside SafeR-CLIP's, by seed.

    Also at the lowest rate at which ours redirects as much, chosen on validation data.
    """
    enough = _redirected_in_validation("SafeR-CLIP", chosen["SafeR-CLIP"], results)
    lowest = min(r for r in RATES if _redirected_in_validation("subspace", r, results) >= enough)
    print("\nredirected (mean of both directions), and points of Caltech-101 lost, by seed:\n")
    for name, rate in (
        ("SafeR-CLIP", chosen["SafeR-CLIP"]),
        ("subspace", chosen["subspace"]),
        ("subspace", lowest),
    ):
        seeds = [results.of(Run(name=name, rate=rate, seed=seed)) for seed in SEEDS]
        redirected = 100 * np.array(_mean(seeds, _REDIRECTION))
        lost = 100 * (_mean([base], _KNOWLEDGE)[0] - np.array(_mean(seeds, _KNOWLEDGE)))
        print(f"{name}, {rate:g}: {np.round(redirected, 1).tolist()}, {np.round(lost, 1).tolist()}")


def _redirected_in_validation(name: str, rate: float, results: Results) -> float:
    keys = ("validation T*→V", "validation V*→T")
    return _mean([results.of(Run(name=name, rate=rate, seed=SEEDS[0]))], keys)[0]


def _draw(base: Mapping[str, float], results: Results, path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4))
    for name in MAIN:
        redirected, known = (
            100 * np.array(_curve(name, keys, results)) for keys in (_REDIRECTION, _KNOWLEDGE)
        )  # [rates, seeds] each
        axes.errorbar(
            redirected.mean(axis=1),
            known.mean(axis=1),
            xerr=redirected.std(axis=1, ddof=1),
            yerr=known.std(axis=1, ddof=1),
            marker="o",
            markersize=4,
            linewidth=1,
            label=name,
        )
    start = (100 * _mean([base], keys)[0] for keys in (_REDIRECTION, _KNOWLEDGE))
    axes.plot(*start, "k*", markersize=10, label=_BASE)
    axes.set_xlabel("redirected to the safe item, R@1 (%), mean of both directions")
    axes.set_ylabel("Caltech-101 zero-shot accuracy (%)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
