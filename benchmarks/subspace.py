"""What fixes the inputs of contrastive-subspace: its cost, and whether a sample is enough.

    python benchmarks/subspace.py --data runs/world/dataset [--model mini] [--epochs 2]

Trains on a published data set with pictures, such as one of `nsfwcaps world`, with a sample of 128,
256 and 512 items of each side at 49 positions of a picture, and with 2,048 items at all positions.
512 items at 49 positions are the default. A data set with fewer items gives all it has.

"Cost" is the seconds an item takes in the pass over the sample, over those it takes in the pass for
the reference, which encodes every caption and picture once. "Overlap" compares the directions of a
layer with those of the last row: the share of their squared length within the other span, 1 if the
spans are equal; mean over layers, of all directions and of the first four. The remaining columns
are figures of validation after training, from equal starts, on equal batches.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ALL = 2**31
SAMPLES = ((128, 49), (256, 49), (512, 49), (2048, ALL))
_FIRST = 4


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Outcome of one run."""

    sample: str
    items: int
    cost: float
    seconds: float
    directions: Mapping[str, Any]
    """Layer to `[rank, in]`."""
    validation: Mapping[str, float]


def main() -> None:
    """Train with each sample, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = [_train(options, Path(scratch), *sample) for sample in SAMPLES]
    _print(runs)


def _train(options: argparse.Namespace, scratch: Path, items: int, positions: int) -> Trained:
    from safetensors.torch import load_file

    from nsfwcaps import config
    from nsfwcaps.pipeline import run_stage
    from nsfwcaps.progress import for_terminal
    from nsfwcaps.stages import STAGE
    from nsfwcaps.stages.train import pairs, safe_items
    from nsfwcaps.stages.train.settings import TrainSettings
    from nsfwcaps.training import contrast

    contrast.POSITIONS = positions
    for module in (contrast, pairs, safe_items):
        module.ITEMS = items  # type: ignore[attr-defined]
    given = {
        "data": str(options.data),
        "model": options.model,
        "method": "contrastive-subspace",
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "device": "cpu",
        **({"learning_rate": options.learning_rate} if options.learning_rate else {}),
    }
    settings = config.parse(TrainSettings, given, where="train")
    out = scratch / f"{items}-{positions}"
    record = run_stage(STAGE["train"], settings, out, for_terminal(quiet=False)).record
    rates = {what: rate for kind, rate in record.rates.items() for what in _parts(kind)}
    per_item = {what: seconds / count for what, (count, seconds) in rates.items()}
    (path,) = (out / "train").glob("subspace-*.safetensors")
    where = "all positions" if positions == ALL else f"{positions} positions"
    return Trained(
        sample=f"{items:,} items a side, {where}",
        items=int(rates["subspace"][0]),
        cost=per_item["subspace"] / (2 * per_item["reference"]),
        seconds=rates["subspace"][1],
        directions=load_file(path),
        validation=record.facts["validation"],
    )


def _parts(kind: str) -> list[str]:
    return [what for what in ("reference", "subspace") if f"train {what}" in kind]


def _print(runs: list[Trained]) -> None:
    figures = [*runs[0].validation]
    print(f"\n| sample | items | seconds | cost | overlap | first four | {' | '.join(figures)} |")
    print("|---" * (6 + len(figures)) + "|")
    for run in runs:
        values = [run.validation[name] for name in figures]
        written = [
            f"{item:.4f}" if isinstance(item, float) else json.dumps(item) for item in values
        ]
        print(
            f"| {run.sample} | {run.items:,} | {run.seconds:.1f} | {run.cost:.2f} "
            f"| {overlap(run.directions, runs[-1].directions):.2f} "
            f"| {overlap(run.directions, runs[-1].directions, _FIRST):.2f} "
            f"| {' | '.join(written)} |"
        )


def overlap(one: Mapping[str, Any], other: Mapping[str, Any], first: int | None = None) -> float:
    """Mean over layers of the share of `one`'s first directions within the span of `other`'s."""
    import torch

    shares = []
    for name, rows in one.items():
        mine, its = (torch.linalg.qr(item.double().T)[0] for item in (rows[:first], other[name]))
        shares.append(float((its.T @ mine).square().sum()) / mine.shape[1])
    return sum(shares) / len(shares)


if __name__ == "__main__":
    main()
