"""Executors against one process: time of the shared stages, as a ratio in the same round.

    python benchmarks/cluster.py [--size 1000000x10000] [--width 384] [--workers 2] [--rounds 3]
        [--executors ray processes] [--stages embed mine] [--folder SCRATCH]

A size is safe x unsafe captions. Captions are synthetic, and their vectors imported. Each stage
runs in its own command, as for a user, so the start of Ray and of its workers counts too. Workers
get the cores of the machine in equal parts. Who is first changes from round to round. All must
write the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scale import make_apart

ALONE = "one process"


def main() -> None:
    """Make the pools, run each executor by turns, print a table."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        folder = Path(scratch)
        _prepare(folder, options)
        names = [ALONE, *options.executors]
        found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for number in range(options.rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                found[name].append(_run(folder, name, options))
                print(f"round {number + 1}, {name}: {found[name][-1]}", file=sys.stderr, flush=True)
        _print(found, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", default="1000000x10000")
    parser.add_argument("--width", type=int, default=384, help="dimensions of the vectors")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--executors", nargs="+", default=["ray"], choices=["ray", "processes"])
    parser.add_argument("--stages", nargs="+", default=["embed", "mine"])
    parser.add_argument("--folder", type=Path, help="where the scratch folder is made")
    return parser.parse_args()


def _prepare(folder: Path, options: argparse.Namespace) -> None:
    """Write pools and vectors, and read them with ingest."""
    vectors = folder / "vectors"
    for kind in ("text_emb", "metadata"):
        (vectors / kind).mkdir(parents=True)
    safe, unsafe = map(int, options.size.split("x"))
    make_apart(folder / "safe.txt", vectors, safe, "safe", options.width, 0)
    make_apart(folder / "unsafe.txt", vectors, unsafe, "unsafe", options.width, 5_000)
    pools = ["--safe", str(folder / "safe.txt"), "--unsafe", str(folder / "unsafe.txt")]
    _command("ingest", folder / "run", pools)


def _run(folder: Path, name: str, options: argparse.Namespace) -> dict[str, float]:
    """Return the seconds of each stage on a run of its own."""
    run = folder / name.replace(" ", "-")
    shutil.copytree(folder / "run" / "ingest", run / "ingest", copy_function=os.link)
    cores = len(os.sched_getaffinity(0))
    shared = {
        "ray": ["--executor", "ray", "--ray-cpus", str(max(1, cores // options.workers))],
        "processes": ["--executor", "processes"],
    }.get(name, [])
    if shared:
        shared += ["--processes", str(options.workers)]
    own = {"embed": ["--source", str(folder / "vectors")]}
    found = {}
    for stage in options.stages:
        started = time.perf_counter()
        _command(stage, run, [*own.get(stage, []), *shared])
        found[stage] = round(time.perf_counter() - started, 2)
        _compare(run / stage, folder / "digests" / stage)
    shutil.rmtree(run)
    return found


def _compare(stage: Path, known: Path) -> None:
    """Check that a stage has written the bytes of the first run."""
    digest = json.loads((stage / "stage.json").read_bytes())["output_digest"]
    known.parent.mkdir(exist_ok=True)
    if not known.exists():
        known.write_text(digest)
    assert known.read_text() == digest, f"{stage} differs"


def _command(stage: str, run: Path, options: list[str]) -> None:
    command = [sys.executable, "-m", "nsfwcaps", stage, "-w", str(run), "--quiet", *options]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def _print(found: dict[str, list[dict[str, float]]], options: argparse.Namespace) -> None:
    print(f"\n{options.size} captions, width {options.width}, {options.workers} workers")
    print("| | stage | seconds (median) | ratio to one process (median, least, most) |")
    print("|---|---|---|---|")
    for name, rounds in found.items():
        for stage in [*options.stages, "all"]:
            times = [sum(each.values()) if stage == "all" else each[stage] for each in rounds]
            alone = [sum(each.values()) if stage == "all" else each[stage] for each in found[ALONE]]
            ratios = [own / other for own, other in zip(times, alone, strict=True)]
            print(
                f"| {name} | {stage} | {statistics.median(times):.1f} | "
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
            )


if __name__ == "__main__":
    main()
