"""On a GPU: is it the device that limits? Search, text, pictures, training and evaluation.

    python benchmarks/gpu.py CAPTIONS.parquet PICTURES.parquet [--only search text] [--small]

Each work is measured beside what a user would do instead, in turn, in one process: FAISS's own GPU
search from the same files, open_clip's loop, torch's DataLoader, the plain fine-tuning loop. Models
have random weights. "device alone" is the same work with everything prepared on the host. Below
eight minutes on one GPU with 16 cores; a work that takes longer than its limit is stopped, and the
others go on. `--small` tries the script in a minute or two, also without a GPU; its numbers mean
nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import embedding
import mining
import pictures
import training

from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision

K = 100
WIDTH = 768
_SMALL_PATIENCE = 5
"""Times the limits of a full run, because `--small` may run on a laptop."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One work beside its peer; rates or seconds, as `unit` says."""

    work: str
    unit: str
    ours: float
    peer: float
    ratio: float
    """Ours in units of the peer: a rate, or how many times shorter."""
    goal: float
    alone: float | None = None
    """The device alone, in the unit."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much of each work is measured."""

    rows: int
    queries: int
    captions: int
    images: int
    batch: int
    steps: int
    pairs: int
    models: tuple[str, ...]


FULL = Sizes(
    rows=1_000_000,
    queries=28_976,
    captions=25_014,
    images=2_048,
    batch=48,
    steps=24,
    pairs=100_000,
    models=("ViT-B-32", "ViT-L-14"),
)
SMALL = Sizes(
    rows=20_000,
    queries=500,
    captions=200,
    images=48,
    batch=2,
    steps=2,
    pairs=2_000,
    models=("ViT-B-32",),
)


def main() -> None:
    """Run each work in a process of its own, print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("captions_file", type=Path)
    parser.add_argument("pictures_file", type=Path)
    parser.add_argument("--only", nargs="+", choices=[*WORKS], default=[*WORKS])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        for result in WORKS[given.child][0](given, SMALL if given.small else FULL):
            print(json.dumps(asdict(result)), flush=True)
        return
    results = [result for name in given.only for result in _run(name, given)]
    print("\n| work | unit | ours | peer | ratio | goal | device alone | ours of it |")
    print("|---|---|---|---|---|---|---|---|")
    for found in results:
        alone = f"{found.alone:,.0f} | {found.ours / found.alone:.0%}" if found.alone else "- | -"
        print(
            f"| {found.work} | {found.unit} | {found.ours:,.2f} | {found.peer:,.2f} "
            f"| **{found.ratio:.2f}** | {found.goal:g} | {alone} |"
        )


def _run(name: str, given: Namespace) -> list[Result]:
    """Run one work; a failure is reported, what it had finished counts, and the others go on."""
    command = [sys.executable, __file__, str(given.captions_file), str(given.pictures_file)]
    command += ["--child", name, *(["--small"] if given.small else [])]
    limit_s = WORKS[name][1] * (_SMALL_PATIENCE if given.small else 1)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, _ = child.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # its own children too
        out, _ = child.communicate()
    if child.returncode:
        print(f"{name}: failed, or took more than {limit_s} s", file=sys.stderr)
    lines = [line for line in out.splitlines() if line.startswith('{"work"')]
    print(f"{name}: {len(lines)} results", file=sys.stderr, flush=True)
    return [Result(**json.loads(line)) for line in lines]


def _device() -> Device:
    import torch

    return Device.CUDA if torch.cuda.is_available() else Device.CPU


def _precision() -> Precision:
    return Precision.BF16 if _device() is Device.CUDA else Precision.FP32


def _in_turn(ways: Sequence[Callable[[], Any]], rounds: int) -> tuple[list[list[float]], list[Any]]:
    """Seconds of each way, one round not counted; and what each returned last."""
    seconds: list[list[float]] = [[] for _ in ways]
    last: list[Any] = [None for _ in ways]
    for number in range(rounds + 1):
        for at, way in enumerate(ways):
            started = time.perf_counter()
            last[at] = way()
            if number:
                seconds[at].append(time.perf_counter() - started)
    return seconds, last


def _times_shorter(ours: Sequence[float], peer: Sequence[float]) -> float:
    return statistics.median(p / o for o, p in zip(ours, peer, strict=True))


def search(given: Namespace, sizes: Sizes) -> Iterator[Result]:
    """From files to the ids of the nearest rows; ours with exact cosines."""
    import faiss
    import numpy as np

    from nsfwcaps.vectors.index import BlockSearch
    from nsfwcaps.vectors.nearest import blocks_for, nearest
    from nsfwcaps.vectors.store import VectorTable

    on = BlockSearch(_device())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        mining.make(folder / "safe", sizes.rows, seed=0, width=WIDTH)
        mining.make(folder / "unsafe", sizes.queries, seed=1, width=WIDTH)
        safe, unsafe = (sorted((folder / side).iterdir()) for side in ("safe", "unsafe"))

        def ours() -> Any:
            queries, table = VectorTable(unsafe), VectorTable(safe)
            blocks = blocks_for(2**30, WIDTH, K)
            every = queries.read(0, queries.rows)
            return nearest(every, table, K, search=on, block_rows=blocks.rows, exact=True).rows

        resources = faiss.StandardGpuResources() if _device() is Device.CUDA else None

        def theirs(kind: Any) -> Any:
            queries, rows = (_held(paths, kind) for paths in (unsafe, safe))
            metric = faiss.METRIC_INNER_PRODUCT
            if resources is not None:
                return faiss.knn_gpu(resources, queries, rows, K, metric=metric)[1]
            return faiss.knn(queries, rows, K, metric=metric)[1]

        ways = [ours, partial(theirs, np.float32)]
        if resources is not None:
            ways.append(partial(theirs, np.float16))
        seconds, ids = _in_turn(ways, 3)
    for at, kind in zip(range(1, len(ways)), ("single", "half"), strict=False):
        same = float(np.mean(ids[0] == ids[at]))
        size = f"{sizes.queries:,} in {sizes.rows:,} x {WIDTH}"
        yield Result(
            work=f"search, {size}, beside FAISS in {kind} precision, ids alike {same:.3%}",
            unit="s",
            ours=statistics.median(seconds[0]),
            peer=statistics.median(seconds[at]),
            ratio=_times_shorter(seconds[0], seconds[at]),
            goal=1.0,
        )


def _held(paths: Sequence[Path], kind: Any) -> Any:
    """All vectors `[n, d]` of the files in one array, as FAISS takes them."""
    import numpy as np

    from nsfwcaps.vectors.store import VectorTable

    table = VectorTable(paths)
    rows = np.empty((table.rows, table.width), dtype=kind)
    at = 0
    for piece in table.pieces():
        rows[at : at + len(piece)] = piece
        at += len(piece)
    return rows


def text(given: Namespace, sizes: Sizes) -> Iterator[Result]:
    """Captions to unit vectors, beside open_clip's loop in batches of 256."""
    captions = embedding.read(given.captions_file, sizes.captions)
    for model in sizes.models:
        with tempfile.TemporaryDirectory() as scratch:
            checkpoint = embedding.save_random(model, Path(scratch) / "random.pt")
            how = EncoderOptions(device=_device(), precision=_precision())
            rates = embedding.encoding(captions, model, checkpoint, how, 2, peers=(256,))
            encoder = _loaded(model, checkpoint, how)
            ready = encoder.prepared(captions)
            seconds, _ = _in_turn([lambda: encoder.encode_text(ready, _unheard)], 2)  # noqa: B023
        peers = {name: rate for name, rate in rates.items() if name != "nsfwcaps"}
        peer, (peer_rate, peer_ratio, _) = max(peers.items(), key=lambda item: item[1][0])
        ours, ratio, _ = rates["nsfwcaps"]
        yield Result(
            work=f"text, {model}, beside {peer}",
            unit="captions/s",
            ours=ours,
            peer=peer_rate,
            ratio=ratio / peer_ratio,
            goal=5.0,
            alone=len(captions) / statistics.median(seconds[0]),
        )


def _loaded(model: str, checkpoint: Path, how: EncoderOptions) -> Any:
    from nsfwcaps.models.create import load

    return load(f"open_clip:{model}/{checkpoint}", how)


def _unheard(done: int) -> None:
    """Ignore progress."""


def images(given: Namespace, sizes: Sizes) -> Iterator[Result]:
    """JPEGs of 640 x 480 to unit vectors, beside a DataLoader with as many processes."""
    import torch

    workers = len(os.sched_getaffinity(0))
    files = pictures.jpegs(given.pictures_file, sizes.images)
    how = EncoderOptions(device=_device(), precision=_precision(), workers=workers)
    encoder = pictures.loaded(sizes.models[0], how)
    peer, ours = pictures.compare(encoder, files, workers, 2)
    on_gpu = _device() is Device.CUDA
    pixels = torch.zeros((256, 3, 224, 224), dtype=torch.uint8, pin_memory=on_gpu)

    def forward() -> Any:
        with encoder._inference("--batch-images"):
            return torch.cat([encoder._image_rows(pixels) for _ in range(8)]).cpu()

    rows = []
    if on_gpu:
        seconds, _ = _in_turn([forward], 2)
        rows = [8 * len(pixels) / statistics.median(seconds[0])]
    rates = statistics.median(ours.vectors), statistics.median(peer.vectors)
    both = zip(ours.vectors, peer.vectors, strict=True)
    yield Result(
        work=f"pictures, {sizes.models[0]}, beside a DataLoader with {workers} processes",
        unit="pictures/s",
        ours=rates[0],
        peer=rates[1],
        ratio=statistics.median(o / p for o, p in both),
        goal=2.0,
        alone=rows[0] if rows else None,
    )


def steps(given: Namespace, sizes: Sizes) -> Iterator[Result]:
    """Fine-tuning steps, beside the plain loop; and the epochs after which the reference pays."""
    options = Namespace(
        steps=sizes.steps,
        threads=len(os.sched_getaffinity(0)),
        workers=len(os.sched_getaffinity(0)),
        decoded=False,
        without_partners=False,
        device="auto",
        batch=sizes.batch,
        precision=None,
        repeats=1,
    )
    for model in sizes.models:
        with tempfile.TemporaryDirectory() as scratch:
            result = training.compare(model, options, Path(scratch))["found"]
        peer, ours = (
            statistics.median(run["rate"] for run in result[name])
            for name in (training.PEER, training.OURS)
        )
        yield Result(
            work=f"training, {model}, {sizes.batch} pairs, beside the plain loop",
            unit="pairs/s",
            ours=ours,
            peer=peer,
            ratio=ours / peer,
            goal=3.0,
        )
        theirs, own = (
            statistics.median(run["cost"] for run in result[name])
            for name in (training.PEER, training.OURS)
        )
        costs = {
            kind: statistics.median(run[key] for run in result[training.OURS])
            for kind, key in (("single", "reference"), ("half", "half"))
        }
        for kind, cost in costs.items():
            pays = cost / (theirs - own) if theirs > own else float("inf")
            if cost:  # no half precision on a CPU
                yield Result(
                    work=f"reference in {kind} precision, {model}: epochs that pay for it, at most",
                    unit="epochs",
                    ours=pays,
                    peer=float("nan"),
                    ratio=pays,
                    goal=2.0,
                )


def ranks(given: Namespace, sizes: Sizes) -> Iterator[Result]:
    """Four directions of retrieval; the peer is the bare products, the floor."""
    script = Path(__file__).with_name("evaluation.py")
    device = "cuda" if _device() is Device.CUDA else "cpu"
    seconds = {}
    with tempfile.TemporaryDirectory() as scratch:
        import evaluation

        folder = Path(scratch) / "pairs"
        evaluation.make(folder, sizes.pairs)
        for name in ("nsfwcaps", evaluation.FLOOR):
            command = [sys.executable, str(script), "--child", name, "--folder", str(folder)]
            done = subprocess.run(
                [*command, "--device", device], stdout=subprocess.PIPE, text=True, check=True
            )
            seconds[name] = json.loads(done.stdout.splitlines()[-1])["seconds"]
    ours, floor = seconds["nsfwcaps"], seconds[evaluation.FLOOR]
    yield Result(
        work=f"evaluation, {sizes.pairs:,} pairs, beside its products alone",
        unit="s",
        ours=ours,
        peer=floor,
        ratio=floor / ours,
        goal=0.5,
    )


WORKS: dict[str, tuple[Callable[[Namespace, Sizes], Iterator[Result]], int]] = {
    "search": (search, 110),
    "text": (text, 120),
    "pictures": (images, 80),
    "training": (steps, 130),
    "evaluation": (ranks, 40),
}
"""Each work, and the seconds after which it is stopped: below eight minutes in all."""

if __name__ == "__main__":
    main()
