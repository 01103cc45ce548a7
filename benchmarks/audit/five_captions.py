r"""Five captions a photograph: resampling units, and answers that share the picture.

    python benchmarks/audit/five_captions.py --photographs FLICKR.parquet --unsafe PAIRS.parquet \
        --out /tmp/five [--count 200]

Writes a pair set whose safe items are all captions of some photographs, each beside an unsafe
caption, and evaluates `mini` on it. FLICKR has the columns `split`, `captions` and `jpeg`, PAIRS
has `unsafe`. Prints each direction's R@1 with its interval, its queries and its resampling units,
and the share of pairs with an equivalent by picture.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def main() -> None:
    """Write the pairs, evaluate, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--unsafe", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    data, out = options.out / "pairs.parquet", options.out / "eval"
    options.out.mkdir(parents=True, exist_ok=True)
    pq.write_table(_pairs(options.photographs, options.unsafe, options.count), data)
    words = ["eval", "--model=mini", f"--data=five={data}", f"--out={out}", "--suite=retrieval"]
    subprocess.run(
        [sys.executable, "-m", "nsfwcaps", *words], check=True, stdout=subprocess.DEVNULL
    )
    own = json.loads((out / "results/five/retrieval/mini.json").read_bytes())["nsfwcaps"]
    for direction, counts in own["facts"]["directions"].items():
        found = own["figures"][f"{direction} R@1"]
        print(
            f"{direction:<6} R@1 {found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}], "
            f"{counts['queries']:,} queries, {counts.get('resampling_units', 'no')} units"
        )
    print(f"equivalents: {own['facts'].get('equivalents', 'none')}")


def _pairs(photographs: Path, unsafe: Path, count: int) -> pa.Table:
    """Return one row per caption of the first photographs of the test split."""
    rows = pq.read_table(photographs, filters=[("split", "=", "test")]).slice(0, count).to_pylist()
    prompts = itertools.cycle(pq.read_table(unsafe)["unsafe"].to_pylist())
    return pa.Table.from_pylist(
        [
            {"unsafe_caption": prompt, "safe_caption": caption, "safe_image": row["jpeg"]}
            for row in rows
            for caption, prompt in zip(row["captions"], prompts, strict=False)
        ]
    )


if __name__ == "__main__":
    main()
