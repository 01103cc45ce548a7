"""Parquet settings of published data: size, time, and what a change costs to send again.

    python benchmarks/published.py [--pairs 100000] [--pictures 2000] [--repeats 5]

"Sent again" is the share of bytes in chunks that were not in the file before the change, where a
store keeps each chunk once: chunks are cut by content, of 64 KiB on average, as the Hub's store
does. The change puts one row near the start, or gives one column of numbers new values. Pairs are
made of random words, pictures of random bytes, which do not compress. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.tables import parquet_bytes, published_bytes

_LEAST, _MOST, _BITS = 2**13, 2**17, 16
_PICTURE_BYTES = 12_000

Write = Callable[[pa.Table], Any]


def main() -> None:
    """Print a table for pairs of text, and one for pairs with pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    text = _pairs(options.pairs)
    for what, table in (("pairs", text), ("with images", _pictured(options.pictures))):
        head = "row groups | bytes | write | read | one group | sent again"
        print(f"\n| {table.num_rows:,} {what} | {head} |")
        print("|---|---|---|---|---|---|---|")
        for name, write in WRITERS.items():
            print(f"| {name} | {_figures(table, write, options.repeats)} |")


def _page_index(table: pa.Table) -> Any:
    return _written(table, 8 * 2**20, 8192, write_page_index=True)


def _small_groups(table: pa.Table) -> Any:
    return _written(
        table, 8 * 2**20, 8192, write_page_index=True, use_content_defined_chunking=True
    )


def _large_groups(table: pa.Table) -> Any:
    both = {"write_page_index": True, "use_content_defined_chunking": True}
    return _written(table, 2**27, 2**20, **both)


WRITERS: dict[str, Write] = {
    "8 MiB a group (other stages)": parquet_bytes,
    "… with a page index": _page_index,
    "… and content-defined chunking": _small_groups,
    "**both, 32 MiB a group** (published)": published_bytes,
    "both, 128 MiB a group": _large_groups,
}


def _written(table: pa.Table, size: int, most: int, **options: Any) -> Any:
    rows = min(most, max(1, size // max(1, table.nbytes // table.num_rows)))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=rows, **options)
    return sink.getvalue()


def _figures(table: pa.Table, write: Write, repeats: int) -> str:
    writing = min(_seconds(lambda: write(table)) for _ in range(repeats))
    data = bytes(write(table))
    file = pq.ParquetFile(pa.BufferReader(data))
    groups = file.num_row_groups
    reading = min(_seconds(lambda: pq.read_table(pa.BufferReader(data))) for _ in range(repeats))
    column = "unsafe_image" if "unsafe_image" in table.column_names else "unsafe_caption"
    one = min(_seconds(lambda: file.read_row_group(0, columns=[column])) for _ in range(repeats))
    row = pa.concat_tables([table.slice(0, 50), table.slice(60, 1), table.slice(50)])
    scores = np.random.default_rng(7).random(table.num_rows)
    place = table.column_names.index("difficulty")
    changed = table.set_column(place, "difficulty", pa.array(scores))
    again = [_new(data, bytes(write(other.combine_chunks()))) for other in (row, changed)]
    return (
        f"{groups} | {len(data):,} | {writing * 1e3:.0f} ms | {reading * 1e3:.0f} ms "
        f"| {one * 1e3:.1f} ms | {again[0]:.1%}, {again[1]:.1%}"
    )


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _pairs(count: int) -> pa.Table:
    random = np.random.default_rng(0)
    words = np.array(["".join(random.choice(list("aeinorstlmd"), 6)) for _ in range(8000)])
    ranks = np.minimum(random.zipf(1.3, (2, count, 11)) - 1, 7999)
    captions = [[" ".join(row) for row in words[side].tolist()] for side in ranks]
    ids = [[hashlib.md5(text.encode()).hexdigest() for text in side] for side in captions]
    return pa.table(
        {
            "unsafe_id": ids[0],
            "safe_id": ids[1],
            "unsafe_caption": captions[0],
            "safe_caption": captions[1],
            "sim_text": random.random(count),
            "difficulty": random.random(count),
            "rank": random.integers(1, 6, count),
            "stage": random.choice(["easy", "medium", "hard"], count),
        }
    )


def _pictured(count: int) -> pa.Table:
    random = np.random.default_rng(1)
    table = _pairs(count)
    for side in ("unsafe", "safe"):
        cells = [
            {
                "bytes": random.bytes(int(random.integers(1, 2 * _PICTURE_BYTES))),
                "path": f"{at}.jpg",
            }
            for at in range(count)
        ]
        table = table.append_column(f"{side}_image", pa.array(cells))
    return table


def _new(before: bytes, after: bytes) -> float:
    """Share of the bytes of a file in chunks that another has not."""
    known = {digest for digest, _ in _chunks(before)}
    return sum(size for digest, size in _chunks(after) if digest not in known) / len(after)


def _chunks(data: bytes) -> list[tuple[bytes, int]]:
    """Cut where a rolling hash of the last 64 bytes is zero, and return digests and sizes."""
    gear = np.random.default_rng(2).integers(0, 2**64, 256, dtype=np.uint64)
    values = gear[np.frombuffer(data, np.uint8)]
    rolled = np.zeros(len(data), np.uint64)
    for back in range(64):
        rolled[back:] += values[: len(data) - back] << np.uint64(back)
    cuts = np.nonzero(rolled >> np.uint64(64 - _BITS) == 0)[0] + 1
    found, start = [], 0
    for stop in [*cuts.tolist(), len(data)]:
        while stop - start > _MOST:
            found.append((start, start + _MOST))
            start += _MOST
        if stop - start >= _LEAST or (stop == len(data) and stop > start):
            found.append((start, stop))
            start = stop
    return [(hashlib.md5(data[a:b]).digest(), b - a) for a, b in found]


if __name__ == "__main__":
    main()
