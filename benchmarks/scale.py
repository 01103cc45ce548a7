"""The whole pipeline on large pools: time and memory of every stage.

    python benchmarks/scale.py [--safe 1000000] [--unsafe 10000]

Captions are synthetic and their vectors imported, so encoder speed is excluded. Every stage runs in
its own process, as for a user. "Over small" is the peak memory beyond that of the same command on
1,000 + 100 captions: the cost of the pool size. It includes mapped files in use (imported vectors
in `embed`, vectors of the run in later stages), which the system frees when memory is short. "Of
its own" leaves them out: the peak of memory that belongs to no file, looked at every 10 ms.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

WIDTH = 384
_SHARD = 100_000


def main() -> None:
    """Run the small pools, then the large ones, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--safe", type=int, default=1_000_000)
    parser.add_argument("--unsafe", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        small = _run(Path(scratch) / "small", 1_000, 100)
        large = _run(Path(scratch) / "large", options.safe, options.unsafe)
    print(f"\n{options.safe:,} safe and {options.unsafe:,} unsafe captions, width {WIDTH}")
    print("| stage | seconds | captions/s | peak memory, MiB | over small, MiB | of its own, MiB |")
    print("|---|---|---|---|---|---|")
    for name, (seconds, *peaks) in large.items():
        rate = (options.safe + options.unsafe) / seconds
        peak, own = (value / 2**20 for value in peaks)
        over = peak - small[name][1] / 2**20
        print(f"| {name} | {seconds:.1f} | {rate:,.0f} | {peak:,.0f} | {over:,.0f} | {own:,.0f} |")


def _run(folder: Path, safe: int, unsafe: int) -> dict[str, tuple[float, int, int]]:
    """Return seconds, peak bytes and peak bytes of its own of every stage."""
    vectors = folder / "vectors"
    for kind in ("text_emb", "metadata"):
        (vectors / kind).mkdir(parents=True)
    _make_apart(folder / "safe.txt", vectors, safe, "safe", 0, 0)
    _make_apart(folder / "unsafe.txt", vectors, unsafe, "unsafe", 1, 5_000)
    options = {
        "ingest": ["--safe", str(folder / "safe.txt"), "--unsafe", str(folder / "unsafe.txt")],
        "embed": ["--source", str(vectors)],
        "mine": [],
        "grade": [],
        "publish": [],
    }
    return {name: _time(name, folder / "run", more) for name, more in options.items()}


def _time(stage: str, workdir: Path, more: list[str]) -> tuple[float, int, int]:
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
    return time.perf_counter() - started, usage.ru_maxrss * 1024, own


def _anonymous(pid: int) -> int:
    """Return the bytes of a process's memory that belong to no file; 0 once it has ended."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)


def _make_apart(*arguments: object) -> None:
    """Make a pool in another process, as a child's peak memory starts at its parent's."""
    maker = multiprocessing.get_context("spawn").Process(target=_make, args=arguments)
    maker.start()
    maker.join()


def _make(pool: Path, vectors: Path, rows: int, label: str, seed: int, first: int) -> None:
    """Write a pool of synthetic captions, and their vectors in clip-retrieval's layout."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((2_000, WIDTH), dtype=np.float32)
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
