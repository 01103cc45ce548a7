"""Gains and costs of fine-tuning methods on equal terms.

    python benchmarks/methods.py --flickr8k FLICKR8K.parquet --caltech101 CALTECH101.parquet

Every method adapts the heads of `mini` (LoRA, rank 16, both towers) on the same pairs of the icon
world, for the same epochs, over the same learning rates, at the model's own logit scale unless its
row says otherwise. Rates, and the weight of preservation where a row has a choice, are chosen by
the sum of six R@1 on validation data: the four of a tight validation world, and both of Flickr8k's
dev split. This is done on the first world, with a seed of its own. Three other seeds are then
trained on every world. The tables give mean and standard deviation over worlds and seeds, on data
used for no choice: a tight test world (pairs as in NSFWCaps), a loose one (as in ViSU), both with
objects, hazards and phrasings unseen in training, Caltech-101, and Flickr8k's test split.
Differences and ratios of zero-shot accuracy have paired bootstrap intervals over images.

Finished runs are kept in --folder: rerun the same command to resume.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import method_tables as tables
from method_rows import CURVES, OURS, PLAIN, RATES, SAFE_TUNED, TUNED, Choice, rows

from nsfwcaps.config import digest

CHOOSING = 0
"""The seed on which rates and weights are chosen."""
SEEDS = (1, 2, 3)

Scored = dict[str, Any]
"""Scores by name, and `hits`: the correct images of Caltech-101, a string of 0 and 1."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run; `choice` is the position among the row's configurations."""

    row: str
    choice: int
    rate: float
    world: int
    seed: int


class Results:
    """Scores of runs, appended to a file as each run finishes."""

    def __init__(self, path: Path, of: Mapping[str, Sequence[Choice]]) -> None:
        self._path, self._of = path, of
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self._scored: dict[str, Scored] = {
            item["key"]: item["scored"] for item in map(json.loads, lines)
        }

    def has(self, run: Run) -> bool:
        """Whether a run is finished."""
        return self._key(run) in self._scored

    def of(self, run: Run) -> Scored:
        """Return the scores of a finished run."""
        return self._scored[self._key(run)]

    def add(self, run: Run, scored: Scored) -> None:
        """Store the scores of a run."""
        self._scored[self._key(run)] = scored
        item = {"key": self._key(run), "run": vars(run), "scored": scored}
        with self._path.open("a") as file:
            file.write(json.dumps(item) + "\n")

    def _key(self, run: Run) -> str:
        choice = self._of[run.row][run.choice].plain()
        return digest([choice, run.rate, run.world, run.seed])


_lab: Any = None
_rows = rows()


def _start(options: dict[str, Any]) -> None:
    import torch

    from tools.mini.lab import Lab

    torch.set_num_threads(1)
    global _lab
    _lab = Lab(**options)


def _score(run: Run) -> tuple[Run, Scored]:
    choice = _rows[run.row][run.choice]
    heads = _lab.fit(choice, learning_rate=run.rate, seed=run.seed)
    return run, _lab.scored(_lab.between(heads, choice.strength))


def main() -> None:
    """Train what is missing, choose, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--flickr8k", type=Path, required=True)
    parser.add_argument("--caltech101", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("runs/methods"))
    parser.add_argument("--pairs", type=int, default=2000, help="Pairs to train on.")
    parser.add_argument("--held", type=int, default=1000, help="Pairs in each other world.")
    parser.add_argument("--worlds", type=int, nargs="+", default=[1, 2], help="Seeds of worlds.")
    parser.add_argument("--rows", nargs="+", choices=[*_rows], default=[*_rows], metavar="ROW")
    parser.add_argument("--rates", type=float, nargs="+", default=[*RATES])
    parser.add_argument("--jobs", type=int, default=2, help="Concurrent training runs.")
    parser.add_argument("--figure", type=Path, help="Output file for the curves (SVG).")
    options = parser.parse_args()
    chosen_rows = {name: _rows[name] for name in options.rows}
    results = Results(options.folder / f"results-{options.pairs}-{options.held}.jsonl", _rows)
    base, chosen = {}, {}
    for world in options.worlds:
        lab = _lab_options(options, world)
        _start(lab)  # computes shared inputs before the workers start
        base[world] = _lab.scored(_lab.heads)
    first = options.worlds[0]
    grid = _grid(chosen_rows, options.rates, first)
    _train(grid, results, _lab_options(options, first), options.jobs)
    for name in chosen_rows:
        best = max(
            (run for run in grid if run.row == name),
            key=lambda run: float(results.of(run)["criterion"]),
        )
        chosen[name] = best.choice, best.rate
    for world in options.worlds:
        work = _again(chosen, options.rates, world)
        _train(work, results, _lab_options(options, world), options.jobs)
    _print(options, base, chosen, results)


def _lab_options(options: argparse.Namespace, world: int) -> dict[str, Any]:
    return {
        "folder": options.folder / f"world-{world}",
        "flickr8k": options.flickr8k,
        "caltech101": options.caltech101,
        "pairs": options.pairs,
        "held": options.held,
        "seed": world,
    }


def _grid(of: Mapping[str, Sequence[Choice]], rates: Sequence[float], world: int) -> list[Run]:
    return [
        Run(row=name, choice=number, rate=rate, world=world, seed=CHOOSING)
        for name, choices in of.items()
        for number in range(len(choices))
        for rate in rates
    ]


def _again(
    chosen: Mapping[str, tuple[int, float]], rates: Sequence[float], world: int
) -> list[Run]:
    """The chosen configurations with the reported seeds; some at every rate, for their curves."""
    return [
        Run(row=name, choice=number, rate=rate, world=world, seed=seed)
        for name, (number, best) in chosen.items()
        for rate in (rates if name in CURVES else [best])
        for seed in SEEDS
    ]


def _train(work: Sequence[Run], results: Results, lab: dict[str, Any], jobs: int) -> None:
    left = list(dict.fromkeys(run for run in work if not results.has(run)))
    if not left:
        return
    # Spawn, not fork: threads of FAISS and torch do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _start, (lab,)) as pool:
        for number, future in enumerate(as_completed([pool.submit(_score, run) for run in left])):
            run, scored = future.result()
            results.add(run, scored)
            print(f"{number + 1} of {len(left)}: {run}", flush=True)


def _print(
    options: argparse.Namespace,
    base: Mapping[int, Scored],
    chosen: Mapping[str, tuple[int, float]],
    results: Results,
) -> None:
    def runs(name: str, rate: float | None = None) -> list[Scored]:
        number, best = chosen[name]
        return [
            results.of(Run(row=name, choice=number, rate=rate or best, world=world, seed=seed))
            for world in options.worlds
            for seed in SEEDS
        ]

    starts = [base[world] for world in options.worlds for _ in SEEDS]
    labels = {
        name: tables.label(_rows[name][number], rate) for name, (number, rate) in chosen.items()
    }
    tables.print_scores(starts, {name: runs(name) for name in chosen}, labels)
    tables.print_kept(starts, {name: runs(name) for name in chosen})
    curves = {
        name: {rate: runs(name, rate) for rate in options.rates}
        for name in CURVES
        if name in chosen
    }
    tables.print_curves(curves)
    for peer in (PLAIN, TUNED, SAFE_TUNED):
        if peer in chosen and OURS in chosen:
            tables.print_ratio(starts, peer, runs(peer), OURS, curves[OURS])
            tables.print_by_rate(peer, curves[peer], OURS, curves[OURS])
    if options.figure:
        tables.draw(starts, curves, options.figure)


if __name__ == "__main__":
    main()
