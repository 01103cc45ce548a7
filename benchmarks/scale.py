"""The whole pipeline on large pools: time and memory of every stage.

    python benchmarks/scale.py [--sizes 1000000x10000,3000000x10000] [--width 384]
        [--stages ingest,embed,mine,grade,publish] [--folder SCRATCH]

A size is safe x unsafe captions. Captions are synthetic and their vectors imported, so encoder
speed is excluded. Every stage runs in its own process, as for a user. CPU seconds are those of all
its threads: on a machine with other work they say more than the clock.

"Over small" is the peak memory beyond that of the same command on 1,000 + 100 captions: the cost of
the pool size. It includes mapped files in use (imported vectors in `embed`, vectors of the run in
later stages), which the system frees when memory is short. "Of its own" leaves them out: the peak
of memory that belongs to no file, looked at every 10 ms.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

STAGES = ("ingest", "embed", "mine", "grade", "publish")
_SHARD = 100_000


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a stage took."""

    seconds: float
    cpu: float
    peak: int
    """Bytes, with those of mapped files."""
    own: int
    """Bytes of memory that belongs to no file."""


def main() -> None:
    """Run the small pools, then the large ones, and print a table for each size."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        small = _run(Path(scratch), (1_000, 100), options)
        for size in options.sizes:
            _print(size, _run(Path(scratch), size, options), small, options.width)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", type=_sizes, default=[(1_000_000, 10_000)])
    parser.add_argument("--width", type=int, default=384, help="dimensions of the vectors")
    parser.add_argument(
        "--stages", type=lambda text: text.split(","), default=STAGES, help="the first of them"
    )
    parser.add_argument("--folder", type=Path, help="where the scratch folder is made")
    return parser.parse_args()


def _sizes(text: str) -> list[tuple[int, int]]:
    pairs = (item.split("x") for item in text.split(","))
    return [(int(safe), int(unsafe)) for safe, unsafe in pairs]


def _print(
    size: tuple[int, int], found: dict[str, Cost], small: dict[str, Cost], width: int
) -> None:
    safe, unsafe = size
    print(f"\n{safe:,} safe and {unsafe:,} unsafe captions, width {width}")
    print("| stage | seconds | CPU seconds | µs/caption | peak, MiB | over small | of its own |")
    print("|---|---|---|---|---|---|---|")
    for name, cost in found.items():
        each = cost.cpu / (safe + unsafe) * 1e6
        over = (cost.peak - small[name].peak) / 2**20
        peak, own = cost.peak / 2**20, cost.own / 2**20
        print(
            f"| {name} | {cost.seconds:.1f} | {cost.cpu:.1f} | {each:.1f} | {peak:,.0f} "
            f"| {over:,.0f} | {own:,.0f} |",
            flush=True,
        )


def _run(scratch: Path, size: tuple[int, int], chosen: argparse.Namespace) -> dict[str, Cost]:
    """Return what every stage took."""
    folder = scratch / "x".join(map(str, size))
    vectors = folder / "vectors"
    for kind in ("text_emb", "metadata"):
        (vectors / kind).mkdir(parents=True)
    safe, unsafe = size
    _make_apart(folder / "safe.txt", vectors, safe, "safe", chosen.width, 0)
    _make_apart(folder / "unsafe.txt", vectors, unsafe, "unsafe", chosen.width, 5_000)
    options = {
        "ingest": ["--safe", str(folder / "safe.txt"), "--unsafe", str(folder / "unsafe.txt")],
        "embed": ["--source", str(vectors)],
    }
    found = {}
    for name in chosen.stages:
        found[name] = _time(name, folder / "run", options.get(name, []))
        print(f"{size} {name} {found[name]}", file=sys.stderr, flush=True)
    shutil.rmtree(folder)
    return found


def _time(stage: str, workdir: Path, more: Sequence[str]) -> Cost:
    command = [sys.executable, "-m", "nsfwcaps", stage, "-w", str(workdir), "--quiet", *more]
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    own = pid = status = 0
    while not pid:
        time.sleep(0.01)
        own = max(own, _anonymous(child.pid))
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{stage} failed with exit code {child.returncode}")
    return Cost(
        seconds=time.perf_counter() - started,
        cpu=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss * 1024,
        own=own,
    )


def _anonymous(pid: int) -> int:
    """Return the bytes of a process's memory that belong to no file; 0 once it has ended."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)


def _make_apart(*arguments: object) -> None:
    """Make a pool in another process, as a child's peak memory starts at its parent's."""
    maker = multiprocessing.get_context("spawn").Process(target=_make, args=arguments)
    maker.start()
    maker.join()


def _make(pool: Path, vectors: Path, rows: int, label: str, width: int, first: int) -> None:
    """Write a pool of synthetic captions, and their vectors in clip-retrieval's layout."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(first)
    centres = np.random.default_rng(99).standard_normal((2_000, width), dtype=np.float32)
    with pool.open("w") as file:
        for number, captions in enumerate(_captions(rows, label)):
            file.write("\n".join(captions) + "\n")
            rows_here = 0.8 * centres[rng.integers(0, len(centres), len(captions))]
            rows_here += rng.standard_normal(rows_here.shape, dtype=np.float32)
            name = f"{first + number:04d}"
            np.save(vectors / "text_emb" / f"text_emb_{name}.npy", rows_here.astype(np.float16))
            table = pa.table({"caption": captions})
            pq.write_table(table, vectors / "metadata" / f"metadata_{name}.parquet")


def _captions(rows: int, label: str) -> Iterator[list[str]]:
    for start in range(0, rows, _SHARD):
        numbers = range(start, min(start + _SHARD, rows))
        yield [f"a {label} picture of thing number {n} on a table" for n in numbers]


if __name__ == "__main__":
    main()
