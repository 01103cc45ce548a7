"""The screen of the safe side: what it finds, and what it costs per caption.

    python benchmarks/screen.py --safe coco_val2017_captions.parquet:caption \
        --safe harm_pairs_dev.parquet:safe --unsafe harm_pairs_dev.parquet:unsafe

Shares are of the safe captions of each file. "Reordered" and "extended" are the unsafe captions
themselves, shuffled in upper case and with six words more, of which all should be found. Times are
the best of three, for the first 16,384 captions: splitting, hazards, containment.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.captions.containment import ContentSets
from nsfwcaps.captions.content_words import tokens
from nsfwcaps.captions.normalize import normalize
from nsfwcaps.construction.hazard_scan import with_hazard

_PART = 65_536
_TIMED = 16_384
_MORE = "on a quiet street in the morning near two old houses"


def main() -> None:
    """Index the unsafe captions, screen each safe file, and print two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--safe", action="append", required=True, metavar="FILE:COLUMN")
    parser.add_argument("--unsafe", required=True, metavar="FILE:COLUMN")
    options = parser.parse_args()
    unsafe = _captions(options.unsafe)
    parts = [pa.array(unsafe[at : at + _PART]) for at in range(0, len(unsafe), _PART)]
    seconds, sets = _timed(lambda: ContentSets(parts))
    print(f"{len(unsafe):,} unsafe captions indexed in {seconds:.2f} s\n")
    print(
        "| safe captions | rows | hazard | near_unsafe | words, µs | hazard, µs | near_unsafe, µs |"
    )
    print("|---|---|---|---|---|---|---|")
    rng = random.Random(0)
    pools = {name: _captions(name) for name in options.safe}
    pools["reordered"] = [_reordered(text, rng) for text in unsafe]
    pools["extended"] = [f"{text} {_MORE}" for text in unsafe]
    for name, captions in pools.items():
        print(f"| {name.rpartition('/')[2]} | {len(captions):,} | {_row(captions, sets)} |")


def _captions(named: str) -> list[str]:
    path, _, column = named.rpartition(":")
    return [normalize(text) for text in pq.read_table(path)[column].to_pylist()]


def _reordered(text: str, rng: random.Random) -> str:
    words = text.split()
    rng.shuffle(words)
    return " ".join(words).upper()


def _row(captions: list[str], sets: ContentSets) -> str:
    whole = pa.array(captions)
    split = tokens(whole)
    hazards, near = with_hazard(whole, split), sets.contained(split)
    part = whole[:_TIMED]
    first, words = _timed(lambda: tokens(part))
    second, _ = _timed(lambda: with_hazard(part, words))
    third, _ = _timed(lambda: sets.contained(words))
    each = [f"{seconds / len(part) * 1e6:.2f}" for seconds in (first, second, third)]
    return f"{hazards.mean():.2%} | {near.mean():.2%} | {' | '.join(each)}"


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the best of three times, and the result."""
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - started)
    return best, result


if __name__ == "__main__":
    main()
