"""What a run of ten million to a billion captions takes: hours, bytes, and what limits.

    python benchmarks/scaling.py [--width 768] [--unsafe-share 0.1] [--gpus 1 8 64] [--json RATES]

This is arithmetic, not a measurement. It takes the rates below, each measured once with the command
beside it, and the number of products and bytes of each step. `--json` replaces rates by your own.
Steps that are shared are divided by the number of GPUs, or of their cores; the others are not.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HOUR = 3600.0
DEPTH = 100
"""Candidates of an unsafe caption."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Rates of one process, or of one GPU."""

    ingest: float = 42_000
    """Captions/s of one core (`benchmarks/scale.py`)."""
    tokenise: float = 123_632
    """Captions/s of one core, words not known yet (`benchmarks/embedding.py`)."""
    encode: float = 43_621
    """Captions/s of ViT-L-14's text tower in bf16 on an H100, the device alone."""
    search: float = 140e12
    """FLOP/s: half-precision tiles on tensor cores with the best k kept, on an H100."""
    weigh: float = 51e12
    """FLOP/s in single precision, for the inverted softmax, on an H100."""
    choose: float = 31_000
    """Unsafe captions/s that one process ranks and writes, after the search (100,000 × 10,000)."""
    publish: float = 22_800
    """Pairs/s that one process grades, splits and writes (`benchmarks/scale.py`, a million)."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run: captions, of which a share is unsafe, and the machines."""

    captions: int
    unsafe_share: float
    width: int
    gpus: int
    cores_each: int

    @property
    def unsafe(self) -> float:
        """Unsafe captions."""
        return self.captions * self.unsafe_share

    @property
    def safe(self) -> float:
        """Safe captions."""
        return self.captions - self.unsafe

    def steps(self, rates: Rates) -> Iterator[tuple[str, float]]:
        """Yield the seconds of each step."""
        cores = self.gpus * self.cores_each
        products = 2 * self.unsafe * self.safe * self.width
        encode = min(rates.encode, rates.tokenise * self.cores_each)
        targets = min(self.safe, DEPTH * self.unsafe)
        yield "ingest", self.captions / (rates.ingest * cores)
        yield "embed", self.captions / (encode * self.gpus)
        yield "search", products / (rates.search * self.gpus)
        yield "hubness", 2 * self.unsafe * targets * self.width / (rates.weigh * self.gpus)
        yield "choose", self.unsafe / rates.choose
        yield "grade, publish", self.unsafe / rates.publish

    def sizes(self) -> Iterator[tuple[str, float]]:
        """Yield the bytes of each kind of file."""
        yield "captions", self.captions * _CAPTION_BYTES
        yield "vectors", self.captions * (2 * self.width + _KEY_BYTES)
        yield "candidates", self.unsafe * DEPTH * _CANDIDATE_BYTES
        yield "pairs", self.unsafe * _PAIR_BYTES


_CAPTION_BYTES = 55
"""Of ingest, in Parquet with zstd: COCO's captions. While it runs, 140 more."""
_KEY_BYTES = 48
"""Id and keys beside a vector."""
_CANDIDATE_BYTES = 7
"""Row and cosine of a candidate, compressed; removed when `mine` is done."""
_PAIR_BYTES = 160


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--captions", type=float, nargs="+", default=[1e7, 1e8, 1e9])
    parser.add_argument("--unsafe-share", type=float, default=0.1)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--cores-each", type=int, default=8)
    parser.add_argument("--json", type=Path, help="rates of your own, by name")
    options = parser.parse_args()
    own = json.loads(options.json.read_text()) if options.json else {}
    rates = dataclasses.replace(Rates(), **own)
    runs = [
        Run(
            captions=int(captions),
            unsafe_share=options.unsafe_share,
            width=options.width,
            gpus=gpus,
            cores_each=options.cores_each,
        )
        for captions in options.captions
        for gpus in options.gpus
    ]
    _print_hours(runs, rates)
    _print_sizes(runs)


def _print_hours(runs: Sequence[Run], rates: Rates) -> None:
    names = [name for name, _ in runs[0].steps(rates)]
    print("| captions | GPUs | " + " | ".join(names) + " | in all | what limits |")
    print("|---" * (len(names) + 4) + "|")
    for run in runs:
        steps = dict(run.steps(rates))
        limit = max(steps, key=lambda name: steps[name])
        cells = [f"{run.captions:,}", str(run.gpus), *map(_time, steps.values())]
        print("| " + " | ".join([*cells, f"**{_time(sum(steps.values()))}**", limit]) + " |")


def _print_sizes(runs: Sequence[Run]) -> None:
    once = {run.captions: run for run in runs}.values()
    names = [name for name, _ in runs[0].sizes()]
    print("\n| captions | " + " | ".join(names) + " | partitions of an 80 GB GPU |")
    print("|---" * (len(names) + 2) + "|")
    for run in once:
        sizes = [f"{size / 1e9:,.1f} GB" for _, size in run.sizes()]
        partitions = -(-int(run.safe) * 2 * run.width // int(0.7 * 80e9))
        print(f"| {run.captions:,} | " + " | ".join(sizes) + f" | {partitions} |")


def _time(seconds: float) -> str:
    for unit, size in (("d", 24 * HOUR), ("h", HOUR), ("min", 60.0)):
        if seconds >= 2 * size:
            value = seconds / size
            return f"{value:,.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else "< 1 s"


if __name__ == "__main__":
    main()
