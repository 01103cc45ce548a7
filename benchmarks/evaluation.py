"""Retrieval metrics: block-wise evaluation compared with the naive way; cost of intervals.

    python benchmarks/evaluation.py [--pairs 10000 100000] [--rounds 3]

Both contenders get the same unit vectors of pairs (512 dimensions) and rank four directions: safe
queries over safe items, unsafe queries over safe and unsafe items together. The naive way computes
the whole similarity matrix and sorts every row; it runs only if that fits in memory. Each is timed
in its own process. Working memory is the peak minus what the process held after reading the
vectors. Contenders take turns, and ratios are taken within a round. A second table gives the cost
of an interval and of a paired comparison for each kind of value: hits are 0 or 1, reciprocal
ranks take many values, drifts are all distinct.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WIDTH = 512
SIDES = ("safe_text", "safe_image", "unsafe_text", "unsafe_image")
PLAIN_BYTES = 12
"""Per query and candidate: a float32 similarity and its position in the order."""


def main() -> None:
    """Make the vectors, run both contenders in turn, print one table per size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(options.child, options.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        for pairs in options.pairs:
            _compare(pairs, options.rounds, Path(scratch) / str(pairs))
    for pairs in options.pairs:
        _certainty(pairs)


def _compare(pairs: int, rounds: int, folder: Path) -> None:
    _make(folder, pairs)
    names = ["nsfwcaps"]
    needed = 2 * PLAIN_BYTES * pairs**2  # unsafe queries have twice as many candidates
    if needed < 0.6 * _free_bytes():
        names.append("plain")
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 else reversed(names):
            results[name].append(_run(name, folder))
    print(f"\n{pairs:,} pairs x {WIDTH}")
    print("| | seconds (median) | ratio to plain | working memory, MiB | T→V R@1 | T*→V R@1 |")
    print("|---|---|---|---|---|---|")
    for name, runs in results.items():
        ratio = "-"
        if "plain" in results:
            both = zip(runs, results["plain"], strict=True)
            ratio = (
                f"{statistics.median(run['seconds'] / plain['seconds'] for run, plain in both):.2f}"
            )
        print(
            f"| {name} | {statistics.median(run['seconds'] for run in runs):.1f} | {ratio} "
            f"| {max(run['working_bytes'] for run in runs) / 2**20:,.0f} "
            f"| {runs[0]['T→V']:.4f} | {runs[0]['T*→V']:.4f} |"
        )
    if "plain" not in results:
        print(f"The plain way would take {needed / 2**30:,.0f} GiB.")


def _run(name: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", name, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _make(folder: Path, pairs: int) -> None:
    """Write pairs around random centres, unsafe items slightly off the safe ones."""
    import numpy as np

    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    centres = random.standard_normal((pairs, WIDTH), dtype=np.float32)
    for number, side in enumerate(SIDES):
        rows = random.standard_normal((pairs, WIDTH), dtype=np.float32)
        rows *= 2 + 0.5 * (number >= 2)
        rows += centres
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        np.save(folder / f"{side}.npy", rows)


def _child(name: str, folder: Path) -> None:
    """Run one contender; print seconds, working memory and two metrics as JSON."""
    import numpy as np

    score = _CONTENDERS[name]()  # imports happen here
    sides = {side: np.load(folder / f"{side}.npy") for side in SIDES}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    figures = score(sides)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "working_bytes": (peak - before) * 1024, **figures}))


def _nsfwcaps() -> Callable[[Any], dict[str, float]]:
    import numpy as np

    from nsfwcaps.evaluation.inputs import PairVectors
    from nsfwcaps.evaluation.tasks import retrieval

    def score(sides: Any) -> dict[str, float]:
        own = np.arange(len(sides["safe_text"]))
        found = retrieval.score(PairVectors(**sides, **{f"{side}_of": own for side in SIDES}))
        return {name: float(found.values[f"{name} R@1"].mean()) for name in ("T→V", "T*→V")}

    return score


def _plain() -> Callable[[Any], dict[str, float]]:
    import numpy as np

    def rank(queries: Any, candidates: Any) -> Any:
        order = np.argsort(-(queries @ candidates.T), axis=1)
        return np.argmax(order == np.arange(len(queries))[:, None], axis=1)

    def score(sides: Any) -> dict[str, float]:
        images = np.concatenate([sides["safe_image"], sides["unsafe_image"]])
        texts = np.concatenate([sides["safe_text"], sides["unsafe_text"]])
        ranks = {
            "T→V": rank(sides["safe_text"], sides["safe_image"]),
            "V→T": rank(sides["safe_image"], sides["safe_text"]),
            "T*→V": rank(sides["unsafe_text"], images),
            "V*→T": rank(sides["unsafe_image"], texts),
        }
        return {name: float((ranks[name] < 1).mean()) for name in ("T→V", "T*→V")}

    return score


def _certainty(queries: int) -> None:
    import numpy as np

    from nsfwcaps.metrics.intervals import interval
    from nsfwcaps.metrics.paired import paired

    random = np.random.default_rng(0)
    kinds = {
        "hits": (random.random((2, queries)) < 0.4).astype(float),
        "reciprocal ranks": 1 / random.geometric(0.01, (2, queries)),
        "drifts": random.random((2, queries)),
    }
    interval(np.arange(2.0))
    paired(np.zeros(2), np.array([0.0, 1.0]), seed=0)  # imports happen here
    print(f"\n{queries:,} queries, 20,000 flips")
    print("| | interval, seconds | paired comparison, seconds |")
    print("|---|---|---|")
    for name, (one, other) in kinds.items():
        started = time.perf_counter()
        interval(one)
        between = time.perf_counter()
        paired(one, other, seed=0)
        print(f"| {name} | {between - started:.3f} | {time.perf_counter() - between:.3f} |")


def _free_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().available)


_CONTENDERS = {"nsfwcaps": _nsfwcaps, "plain": _plain}

if __name__ == "__main__":
    main()
