"""Layouts of vectors on disk: time to read all rows, and to gather some, by format.

    python benchmarks/layout.py [--rows 200000] [--gather 10000] [--cold]

Each layout holds the same half-precision rows `[n, 768]` with their ids, in shards of 16,384 rows.
Each measurement is the median of `--repeats` in a process of its own. `--cold` drops the files from
the page cache before each of them, so that they come from the disk. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WIDTH = 768
SHARD = 16_384

Rows = np.ndarray[Any, Any]


def main() -> None:
    """Print the table."""
    options = _options()
    if options.child:
        print(json.dumps(_measure(options)))
        return
    with tempfile.TemporaryDirectory(dir=options.tmp) as tmp:
        options.folder = Path(tmp)
        _make(options.folder, options.rows)
        found = {name: _child(options, name) for name in LAYOUTS}
    size = options.rows * WIDTH * 2
    base = found["Parquet, list of half floats"]
    print("| layout | bytes on disk | read all | MB/s | ratio | gather | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name, figures in found.items():
        read, gather = figures["read"], figures["gather"]
        print(
            f"| {name} | {figures['bytes']:,} | {read:.3f} s | {size / read / 1e6:,.0f} "
            f"| {base['read'] / read:.1f} | {gather:.4f} s | {base['gather'] / gather:.1f} |"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--gather", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cold", action="store_true", help="read from the disk, not from memory")
    parser.add_argument("--tmp", type=Path, help="folder for the temporary files")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _make(folder: Path, rows: int) -> None:
    """Write unit rows in every layout, in one subfolder each."""
    rng = np.random.default_rng(0)
    for start in range(0, rows, SHARD):
        count = min(SHARD, rows - start)
        vectors = rng.standard_normal((count, WIDTH), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        ids = pa.array([f"{row:032x}" for row in range(start, start + count)])
        for number, (write, _) in enumerate(LAYOUTS.values()):
            (folder / str(number)).mkdir(exist_ok=True)
            write(folder / str(number) / f"{start:09d}", ids, vectors.astype(np.float16))


def _child(options: argparse.Namespace, name: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", name, "--folder", str(options.folder)]
    for key in ("rows", "gather", "repeats"):
        command += [f"--{key}", str(getattr(options, key))]
    command += ["--cold"] * options.cold
    result: dict[str, Any] = json.loads(subprocess.check_output(command))
    return result


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    folder = options.folder / str(list(LAYOUTS).index(options.child))
    shards = LAYOUTS[options.child][1]
    wanted = np.sort(np.random.default_rng(1).choice(options.rows, options.gather, replace=False))

    def read() -> Rows:
        return np.concatenate(list(shards(folder)))

    def gather() -> Rows:
        out = np.empty((len(wanted), WIDTH), dtype=np.float16)
        edges = np.searchsorted(wanted, np.arange(0, options.rows + SHARD, SHARD))
        for number, vectors in enumerate(shards(folder)):
            low, high = edges[number], edges[number + 1]
            out[low:high] = vectors[wanted[low:high] - number * SHARD]
        return out

    return {
        "read": _seconds(read, folder, options),
        "gather": _seconds(gather, folder, options),
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
    }


def _seconds(work: Callable[[], Rows], folder: Path, options: argparse.Namespace) -> float:
    work()  # touches the memory once; imports and caches
    times = []
    for _ in range(options.repeats):
        if options.cold:
            _drop(folder)
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return median(times)


def _drop(folder: Path) -> None:
    """Remove the files from the page cache."""
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _as_list(vectors: Rows) -> pa.Array:
    item = pa.field("element", pa.float16(), nullable=False)
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), type=pa.list_(item, WIDTH))


def _as_binary(vectors: Rows) -> pa.Array:
    kind = pa.binary(2 * WIDTH)
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(vectors), [None, pa.py_buffer(vectors)])


def _of_list(array: pa.Array) -> Rows:
    return np.asarray(array.flatten()).reshape(-1, WIDTH)


def _write_parquet(as_column: Callable[[Rows], pa.Array]) -> Callable[..., None]:
    def write(path: Path, ids: pa.Array, vectors: Rows) -> None:
        column = as_column(vectors)
        kind = pa.schema([("id", pa.string()), pa.field("vector", column.type, nullable=False)])
        pq.write_table(
            pa.table([ids, column], schema=kind),
            path.with_suffix(".parquet"),
            compression="none",
            use_dictionary=False,
            row_group_size=5_000,  # 8 MiB, as the stages write
        )

    return write


def _read_lists(folder: Path) -> Iterator[Rows]:
    for path in sorted(folder.iterdir()):
        column = pq.ParquetFile(path, memory_map=True).read(columns=["vector"])["vector"]
        yield _of_list(column.combine_chunks())


def _read_binary(folder: Path) -> Iterator[Rows]:
    for path in sorted(folder.iterdir()):
        column = pq.ParquetFile(path, memory_map=True).read(columns=["vector"])["vector"]
        for chunk in [column.combine_chunks()]:
            yield np.frombuffer(chunk.buffers()[1], np.float16).reshape(-1, WIDTH)


def _write_arrow(path: Path, ids: pa.Array, vectors: Rows) -> None:
    table = pa.table({"id": ids, "vector": _as_list(vectors)})
    with pa.ipc.new_file(path.with_suffix(".arrow"), table.schema) as file:
        file.write_table(table)


def _read_arrow(folder: Path) -> Iterator[Rows]:
    for path in sorted(folder.iterdir()):
        with pa.memory_map(str(path)) as file:
            yield _of_list(pa.ipc.open_file(file).get_batch(0)["vector"])


def _write_npy(path: Path, ids: pa.Array, vectors: Rows) -> None:
    pq.write_table(pa.table({"id": ids}), path.with_suffix(".parquet"))
    np.save(path.with_suffix(".npy"), vectors)


def _read_npy(folder: Path) -> Iterator[Rows]:
    for path in sorted(folder.glob("*.npy")):
        yield np.load(path, mmap_mode="r")


LAYOUTS: dict[str, tuple[Callable[..., None], Callable[[Path], Iterator[Rows]]]] = {
    "Parquet, list of half floats": (_write_parquet(_as_list), _read_lists),
    "Parquet, fixed-size binary": (_write_parquet(_as_binary), _read_binary),
    "Arrow IPC, memory-mapped": (_write_arrow, _read_arrow),
    ".npy memory-mapped, Parquet of ids": (_write_npy, _read_npy),
}


if __name__ == "__main__":
    main()
