"""Exports of pairs: time and memory of each format, for a data set of a million synthetic pairs.

    python benchmarks/exports.py [--pairs 1000000] [--formats tevatron,imagefolder]

The data set has two safe counterparts for each unsafe caption and one of a thousand small JPEGs for
each safe one. Its digests say that all images differ, so formats that remember images remember as
many as there are captions. Each export is a process of its own; memory is its largest resident set
(Linux: VmHWM), with Python and its libraries. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from nsfwcaps import schema
from nsfwcaps.exports.formats import DataFormat

SHARD = 50_000
RANKS = 2
IMAGES = 1000
_OPTIONS = {DataFormat.CLIP_BENCHMARK: ["--split", "train"]}

# What the system reports to a parent (ru_maxrss) would include the parent's own memory.
_EXPORT = """
import atexit, re, sys
from pathlib import Path
from nsfwcaps.cli import main
def report():
    status = Path("/proc/self/status").read_text()
    print(re.search(r"VmHWM:\\s+(\\d+)", status)[1], file=sys.stderr)
atexit.register(report)
main()
"""


def main() -> None:
    """Print the table."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.tmp) as tmp:
        data_set = Path(tmp) / "set"
        _make(data_set, options.pairs)
        print("| format | seconds | pairs/s | memory, MiB | files, MB |")
        print("|---|---|---|---|---|")
        for to in options.formats.split(","):
            seconds, memory, size = _export(data_set, to, Path(tmp) / "out")
            rate = options.pairs / seconds
            figures = f"{seconds:.0f} | {rate:,.0f} | {memory:,.0f} | {size / 1e6:,.0f}"
            print(f"| {to} | {figures} |", flush=True)


def _options() -> argparse.Namespace:
    of_pairs = [to.value for to in DataFormat if to is not DataFormat.CLIP_RETRIEVAL]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--formats", default=",".join(of_pairs))
    parser.add_argument("--tmp", type=Path, default=None, help="where to write")
    return parser.parse_args()


def _export(data_set: Path, to: str, out: Path) -> tuple[float, float, int]:
    """Return seconds, maximum resident set in MiB, and bytes written."""
    command = [sys.executable, "-c", _EXPORT, "export-data", str(data_set), "--to", to]
    command += ["--out", str(out), "--json", *_OPTIONS.get(DataFormat(to), [])]
    started = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{to} failed: {done.stderr}")
    seconds = time.monotonic() - started
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return seconds, int(done.stderr.split()[-1]) / 1024, size


def _make(folder: Path, pairs: int) -> None:
    """Write a data set of pairs."""
    (folder / "data").mkdir(parents=True)
    pictures = [*_pictures()]
    total = -(-pairs // SHARD)
    for number in range(total):
        start = number * SHARD
        table = _table(np.arange(start, min(start + SHARD, pairs)), pictures)
        name = f"train-{number:05d}-of-{total:05d}.parquet"
        pq.write_table(table, folder / "data" / name, row_group_size=8192, compression="zstd")


def _table(rows: np.ndarray[Any, Any], pictures: list[bytes]) -> pa.Table:
    columns = schema.published(with_pictures=True)
    values = {
        "pair_id": [f"{n:032x}" for n in rows],
        "unsafe_id": [f"{n // RANKS:032x}" for n in rows],
        "safe_id": [f"{2**60 + n:032x}" for n in rows],
        "unsafe_caption": [
            f"a man breaks window {n // RANKS} of a house in a street" for n in rows
        ],
        "safe_caption": [f"a man cleans window {n} of a house" for n in rows],
        "rank": rows % RANKS + 1,
        "category": ["shocking"] * len(rows),
        "stage": ["easy"] * len(rows),
        "split": ["train"] * len(rows),
        "safe_image_path": [f"https://images.example/{n}.jpg" for n in rows],
        "safe_image_sha256": [f"{n:064x}" for n in rows],
        "safe_image": [{"bytes": pictures[n % IMAGES], "path": None} for n in rows],
    }
    nothing = pa.nulls(len(rows))
    return pa.table(
        {
            field.name: pa.array(values[field.name], field.type)
            if field.name in values
            else nothing.cast(field.type)
            for field in columns
        },
        schema=columns,
    )


def _pictures() -> Iterator[bytes]:
    rng = np.random.default_rng(0)
    for _ in range(IMAGES):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(file, "JPEG")
        yield file.getvalue()


if __name__ == "__main__":
    main()
