"""Nearest safe captions: ours against FAISS's flat index, sentence-transformers and autofaiss.

    python benchmarks/mining.py [--rows 25000 100000 1000000] [--autofaiss-python VENV/bin/python]

Every contender gets the same Arrow files of half-precision unit vectors, mapped into memory, as the
embed stage writes them. Each is timed in its own process, from the first byte read to the ids of
the 100 nearest rows of every query. Working memory is the process's peak minus what it held after
its imports. Contenders take turns, and each time is also given as a ratio to the flat index in the
same round, since machines are shared and noisy. "Exact cosines" is what the mine stage does: the
same search, then every returned cosine is recomputed without rounding, so that it depends on no
device or block. autofaiss needs numpy 1 and FAISS's CPU package, so it runs in its own virtual
environment:
`python -m venv VENV && VENV/bin/pip install autofaiss 'pyarrow<20'`.
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
from functools import partial
from pathlib import Path
from typing import Any

K = 100
WIDTH = 384


def main() -> None:
    """Make the vectors, run every contender in turn, print one table per size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[25_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--autofaiss-python", help="Python of the environment with autofaiss.")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(options.child, options.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        for rows in options.rows:
            _compare(rows, options, Path(scratch) / str(rows))


def _compare(rows: int, options: argparse.Namespace, folder: Path) -> None:
    import numpy as np

    make(folder / "safe", rows, seed=0)
    make(folder / "unsafe", options.queries, seed=1)
    pythons = {
        "nsfwcaps": sys.executable,
        "nsfwcaps, exact cosines": sys.executable,
        "flat": sys.executable,
        "semantic_search": sys.executable,
    }
    if options.autofaiss_python:
        pythons["autofaiss"] = options.autofaiss_python
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in pythons}
    for number in range(options.rounds):
        # Running after a large process costs time for its memory: rotate the order.
        turn = number % len(pythons)
        names = [*pythons][turn:] + [*pythons][:turn]
        for name in names:
            if name != "autofaiss" or number == 0:  # it builds for minutes: once suffices
                results[name].append(_run(name, pythons[name], folder))
    truth = np.load(folder / "flat.npy")
    print(f"\n{rows:,} safe rows x {WIDTH}, {options.queries:,} queries, k = {K}")
    print(
        "| | seconds (median) | ratio to flat | working memory, MiB | recall | same ids as flat |"
    )
    print("|---|---|---|---|---|---|")
    for name, runs in results.items():
        ids = np.load(folder / f"{name}.npy")
        pairs = zip(runs, results["flat"], strict=False)
        ratio = statistics.median(run["seconds"] / flat["seconds"] for run, flat in pairs)
        recall = np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(ids, truth, strict=True)])
        print(
            f"| {name} | {statistics.median(run['seconds'] for run in runs):.2f} | {ratio:.2f} "
            f"| {max(run['working_bytes'] for run in runs) / 2**20:,.0f} | {recall:.6f} "
            f"| {(ids == truth).mean():.4%} |"
        )


def _run(name: str, python: str, folder: Path) -> dict[str, Any]:
    command = [python, __file__, "--child", name, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def make(folder: Path, rows: int, seed: int, width: int = WIDTH) -> None:
    """Write clustered half-precision unit vectors, in shards like those of the embed stage."""
    import numpy as np
    import pyarrow as pa

    from nsfwcaps import schema
    from nsfwcaps.tables import arrow_bytes
    from nsfwcaps.vectors.columns import vector_table

    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    # Both sides share cluster centres: their seed is fixed.
    centres = np.random.default_rng(99).standard_normal((2_000, width), dtype=np.float32)
    of = schema.vectors(width, "id")
    for start in range(0, rows, 16_384):
        count = min(16_384, rows - start)
        vectors = 0.8 * centres[rng.integers(0, len(centres), count)]
        vectors += rng.standard_normal((count, width), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        ids = pa.array([f"{row:032x}" for row in range(start, start + count)])
        table = vector_table(of, {"id": ids}, vectors, "benchmark")
        (folder / f"{start:09d}.arrow").write_bytes(arrow_bytes(table))


def _child(name: str, folder: Path) -> None:
    """Run one contender; print seconds and working memory as JSON."""
    import numpy as np

    search = _CONTENDERS[name]()  # imports happen here
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    ids = search(sorted((folder / "safe").iterdir()), sorted((folder / "unsafe").iterdir()))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    np.save(folder / f"{name}.npy", ids)
    print(json.dumps({"seconds": seconds, "working_bytes": (peak - before) * 1024}))


def read(paths: list[Path]) -> Any:
    """Return all vectors `[n, d]` in single precision, for the other contenders."""
    import numpy as np
    import pyarrow as pa

    tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in paths]
    width = tables[0].schema.field("vector").type.list_size
    out = np.empty((sum(table.num_rows for table in tables), width), dtype=np.float32)
    start = 0
    for table in tables:
        column = table["vector"].combine_chunks()
        part = np.from_dlpack(column.flatten()).reshape(-1, width)  # asarray imports pandas
        out[start : start + len(part)] = part
        start += len(part)
    return out


def _nsfwcaps(*, exact: bool = False) -> Callable[..., Any]:
    import torch  # noqa: F401  imported by the search; not part of its time

    from nsfwcaps.enums import Device
    from nsfwcaps.vectors.index import BlockSearch
    from nsfwcaps.vectors.nearest import blocks_for, nearest
    from nsfwcaps.vectors.store import VectorTable

    def search(safe: list[Path], unsafe: list[Path]) -> Any:
        queries = VectorTable(unsafe)
        return nearest(
            queries.read(0, queries.rows),
            VectorTable(safe),
            K,
            search=BlockSearch(Device.AUTO),
            block_rows=blocks_for(2**30, WIDTH, K).rows,
            exact=exact,
        ).rows

    return search


def _flat() -> Callable[..., Any]:
    import faiss
    import pyarrow.compute  # noqa: F401

    def search(safe: list[Path], unsafe: list[Path]) -> Any:
        index = faiss.IndexFlatIP(WIDTH)
        index.add(read(safe))
        return index.search(read(unsafe), K)[1]

    return search


def _semantic_search() -> Callable[..., Any]:
    import numpy as np
    import pyarrow.compute  # noqa: F401
    import torch
    from sentence_transformers.util import dot_score, semantic_search

    def search(safe: list[Path], unsafe: list[Path]) -> Any:
        corpus, queries = torch.from_numpy(read(safe)), torch.from_numpy(read(unsafe))
        hits = semantic_search(queries, corpus, top_k=K, score_function=dot_score)
        return np.array([[hit["corpus_id"] for hit in row] for row in hits])

    return search


def _autofaiss() -> Callable[..., Any]:
    import autofaiss
    import pyarrow.compute  # noqa: F401

    def search(safe: list[Path], unsafe: list[Path]) -> Any:
        index, _ = autofaiss.build_index(
            read(safe), save_on_disk=False, metric_type="ip", verbose=40
        )
        return index.search(read(unsafe), K)[1]

    return search


_CONTENDERS = {
    "nsfwcaps": _nsfwcaps,
    "nsfwcaps, exact cosines": partial(_nsfwcaps, exact=True),
    "flat": _flat,
    "semantic_search": _semantic_search,
    "autofaiss": _autofaiss,
}

if __name__ == "__main__":
    main()
