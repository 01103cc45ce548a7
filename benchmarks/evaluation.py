"""Retrieval metrics: evaluation in tiles, the naive way, and the bare products; intervals.

    python benchmarks/evaluation.py [--pairs 10000 100000] [--rounds 3] [--device cpu|cuda]

All contenders get the same unit vectors of pairs (512 dimensions) and rank four directions: safe
queries over safe items, unsafe queries over safe and unsafe items together. The naive way computes
the whole similarity matrix on the CPU and sorts every row; it runs only if that fits in memory. The
row "products alone" has the same tiles as nsfwcaps without the counting: it is the floor.
Each is timed in its own process. Working memory is the peak minus what the process held after
reading the vectors and importing its packages; on a GPU, torch's peak there. Contenders take turns,
and ratios are taken within a round. A second table gives the cost of an interval and of a paired
comparison for each kind of value: hits are 0 or 1, reciprocal ranks take many values, drifts are
all distinct.
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
FLOOR = "products alone"
PLAIN_BYTES = 12
"""Per query and candidate: a float32 similarity and its position in the order."""


def main() -> None:
    """Make the vectors, run both contenders in turn, print one table per size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(options.child, options.folder, options.device)
        return
    with tempfile.TemporaryDirectory() as scratch:
        for pairs in options.pairs:
            _compare(pairs, options.rounds, Path(scratch) / str(pairs), options.device)
    for pairs in options.pairs:
        _certainty(pairs)


def _compare(pairs: int, rounds: int, folder: Path, device: str) -> None:
    make(folder, pairs)
    names = ["nsfwcaps", FLOOR]
    needed = 2 * PLAIN_BYTES * pairs**2  # unsafe queries have twice as many candidates
    if needed < 0.6 * _free_bytes():
        names.append("plain")
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 else reversed(names):
            results[name].append(_run(name, folder, device))
    print(f"\n{pairs:,} pairs x {WIDTH}, {device}")
    print(
        f"| | seconds (median) | ratio to plain | ratio to {FLOOR} | working memory, MiB "
        "| T→V R@1 | T*→V R@1 |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, runs in results.items():
        figures = " | ".join(
            f"{runs[0][figure]:.4f}" if figure in runs[0] else "-" for figure in ("T→V", "T*→V")
        )
        print(
            f"| {name} | {statistics.median(run['seconds'] for run in runs):.2f} "
            f"| {_ratio(runs, results.get('plain'))} | {_ratio(runs, results[FLOOR])} "
            f"| {max(run['working_bytes'] for run in runs) / 2**20:,.0f} | {figures} |"
        )
    if "plain" not in results:
        print(f"The plain way would take {needed / 2**30:,.0f} GiB.")


def _ratio(runs: list[dict[str, Any]], others: list[dict[str, Any]] | None) -> str:
    """Median over rounds of the ratio of seconds."""
    if others is None:
        return "-"
    both = zip(runs, others, strict=True)
    return f"{statistics.median(one['seconds'] / other['seconds'] for one, other in both):.2f}"


def _run(name: str, folder: Path, device: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", name, "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--device", device], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def make(folder: Path, pairs: int) -> None:
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


def _child(name: str, folder: Path, device: str) -> None:
    """Run one contender; print seconds, working memory and two metrics as JSON."""
    import numpy as np
    import torch

    score = _CONTENDERS[name](device)  # imports happen here
    sides = {side: np.load(folder / f"{side}.npy") for side in SIDES}
    if device == "cuda":
        torch.ones(8, 8, device=device) @ torch.ones(8, 8, device=device)  # starts the device
        torch.cuda.synchronize()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    figures = score(sides)
    seconds = time.perf_counter() - started
    working = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if device == "cuda":
        working = torch.cuda.max_memory_allocated()
    print(json.dumps({"seconds": seconds, "working_bytes": working, **figures}))


def _nsfwcaps(device: str) -> Callable[[Any], dict[str, float]]:
    import numpy as np

    from nsfwcaps.evaluation.inputs import PairVectors
    from nsfwcaps.evaluation.tasks import retrieval

    def score(sides: Any) -> dict[str, float]:
        own = np.arange(len(sides["safe_text"]))
        pairs = PairVectors(**sides, **{f"{side}_of": own for side in SIDES})
        found = retrieval.score(pairs, device=device)
        return {name: float(found.values[f"{name} R@1"].mean()) for name in ("T→V", "T*→V")}

    return score


def _products(device: str) -> Callable[[Any], dict[str, float]]:
    import torch

    from nsfwcaps.metrics.tiles import Side, for_each_tile

    def score(sides: Any) -> dict[str, float]:
        rows = {name: Side.of(side, device).rows for name, side in sides.items()}
        for text in ("safe_text", "unsafe_text"):
            for image in ("safe_image", "unsafe_image"):
                for_each_tile(rows[text], rows[image], lambda tile: None)
        if device == "cuda":
            torch.cuda.synchronize()
        return {}

    return score


def _plain(device: str) -> Callable[[Any], dict[str, float]]:
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


_CONTENDERS = {"nsfwcaps": _nsfwcaps, FLOOR: _products, "plain": _plain}

if __name__ == "__main__":
    main()
