"""Loss and gradient of every term at the start of training, at two scales of InfoNCE.

    nsfwcaps demo --out runs/demo
    python benchmarks/audit/gradients.py runs/demo/dataset --model mini

Takes pairs of the train split that have a partner, in one batch. The gradient is with respect to a
unit row, times the rows of the batch: 1 is the pull of a cosine. Two terms at very different
gradients are not weighed by their weights alone. A scale far from the model's own makes the
preserving InfoNCE vanish and the redirecting one dominate.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.models import create
from nsfwcaps.training.methods import TERMS, BatchRows

_TERMS = [name for name in TERMS if name.split("_")[0] in ("preserve", "redirect", "relative")]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path, help="Data set with pictures and partners.")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--pairs", type=int, default=48)
    options = parser.parse_args()
    torch.set_num_threads(1)
    encoder = create.load_dual(options.model, EncoderOptions())
    own = float(encoder.model.logit_scale.detach().exp())
    pairs = _pairs(options.data, options.pairs)
    print(f"{len(pairs)} pairs; loss / gradient per row\n")
    print(f"| term | targets | scale 100 | scale {own:.1f}, the model's |\n|---|---|---|---|")
    for targets, side in (("partner", "partner"), ("nearest", "safe")):
        rows = _embed(encoder, pairs, side)
        for name in _TERMS:
            if name.startswith("preserve") and targets == "nearest":
                continue
            cells = [" / ".join(f"{x:.3g}" for x in _measure(name, rows, s)) for s in (100, own)]
            print(f"| {name} | {targets} | {' | '.join(cells)} |")


def _pairs(data: Path, count: int) -> list[dict[str, Any]]:
    rows = [
        row
        for path in sorted((data / "data").glob("train-*.parquet"))
        for row in pq.read_table(path).to_pylist()
        if row["partner_id"] is not None
    ]
    seen: dict[str, dict[str, Any]] = {}
    for row in rows:  # no target twice: that would be a negative of itself
        seen.setdefault(row["safe_caption"], row)
    return list(seen.values())[:count]


def _embed(encoder: Any, pairs: list[dict[str, Any]], target: str) -> dict[str, Any]:
    rows = {}
    for name, side in (("unsafe", "unsafe"), ("safe", "partner"), ("target", target)):
        captions = [pair[f"{side}_caption"] for pair in pairs]
        pictures = [("", partial(bytes, pair[f"{side}_image"]["bytes"])) for pair in pairs]
        rows[f"{name}_text"] = torch.from_numpy(encoder.encode_text(captions, lambda n: None).rows)
        seen = encoder.encode_images(pictures, lambda n: None)
        rows[f"{name}_image"] = torch.from_numpy(seen.rows)
    return rows


def _measure(name: str, rows: dict[str, Any], scale: float) -> tuple[float, float]:
    """Return a term's loss, and the mean length of its gradient on the rows that it trains."""
    sides = [f"{side}_{kind}" for side in ("safe", "unsafe") for kind in ("text", "image")]
    trained = {side: rows[side].clone().requires_grad_() for side in sides}
    frozen = {f"{side}_reference": rows[side] for side in sides}
    targets = {side: rows[side] for side in ("target_text", "target_image")}
    loss = TERMS[name](BatchRows(**trained, **frozen, **targets), scale)
    loss.backward()  # type: ignore[no-untyped-call]
    (moved,) = (row.grad for row in trained.values() if row.grad is not None)
    return loss.item(), len(moved) * float(moved.norm(dim=1).mean())


if __name__ == "__main__":
    main()
