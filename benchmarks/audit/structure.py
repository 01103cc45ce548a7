"""Structure of degenerate rows: neighbourhoods of duplicates, and spread after a collapse.

    python benchmarks/audit/structure.py [--rows 10000] [--device cpu|cuda]

Rows against themselves, with noise of 1e-7, must overlap wholly. A spread of zero before has no
ratio. The last line times the overlap of ordinary rows.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.neighbourhoods import neighbourhood_overlaps
from nsfwcaps.metrics.structure import spread_ratio

Rows = npt.NDArray[np.float32]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    some = _unit(random.standard_normal((3, 8)))[np.arange(60) % 3]
    again = _unit(some + 1e-7 * random.standard_normal(some.shape))
    print(f"overlap of 60 rows, 3 distinct: {neighbourhood_overlaps(again, some).mean():.3f}")
    same = np.repeat(some[:1], 60, axis=0)
    print(f"spread ratio, all equal before: {spread_ratio(again, same):.3g}")
    rows = _unit(random.standard_normal((options.rows, 512)))
    moved = _unit(rows + 0.02 * random.standard_normal(rows.shape))
    started = time.perf_counter()
    overlap = neighbourhood_overlaps(moved, rows, device=options.device).mean()
    seconds = time.perf_counter() - started
    print(f"overlap of {options.rows:,} ordinary rows: {overlap:.4f} in {seconds:.2f} s")


def _unit(rows: npt.NDArray[np.float64]) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


if __name__ == "__main__":
    main()
